"""A job whose every event a test writes: a real gateway, a fake learner."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.settings import GatewaySettings
from tally.learner.v1 import learner_pb2 as pb
from tests.fakes.learner import FakeLearner
from tests.gateway.conftest import Gateway, client_of, running, running_reward

PHASES = (
    pb.JOB_PHASE_ROLLOUT,
    pb.JOB_PHASE_WAITING_FOR_ROLLOUT,
    pb.JOB_PHASE_LEARNING,
    pb.JOB_PHASE_SAVING,
)
TOTAL_STEPS = 400


@asynccontextmanager
async def running_gateway(data_dir: Path, learner: FakeLearner, **more) -> AsyncIterator[Gateway]:
    """A gateway before `learner`, which is closed with it."""
    await learner.start()
    try:
        async with running_reward() as reward_port:
            settings = GatewaySettings(
                port=0,
                data_dir=data_dir,
                learner=client_of(learner.port),
                reward=client_of(reward_port),
                drain_seconds=1,
                **more,
            )
            async with running(settings) as gateway:
                yield gateway
    finally:
        await learner.close()


@dataclass
class ScriptedJob:
    """Trains as far as a test says, and ends when the learner is let go."""

    gateway: Gateway
    learner: FakeLearner
    job_id: str
    file_id: str
    dataset: Path
    at: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    async def turn(self, phase: pb.JobPhase) -> None:
        await self.learner.log(self.job_id, phase_changed=pb.PhaseChanged(phase=phase))

    async def step(self, *, error: float = 1.5) -> int:
        """All that a learner tells of a step: phases, samples, metrics; → its number."""
        self.at += 1
        for phase in PHASES:
            await self.turn(phase)
        await self.learner.log(self.job_id, samples_shown=_samples(self.at))
        metrics = pb.StepMetrics(
            epoch=self.at / 10,
            loss=1 / self.at,
            reward_mean=1 - 1 / self.at,
            mean_absolute_count_error=error,
            median_absolute_count_error=1,
            step_seconds=self.at * 7,
            reward_share_by_component={"exact": 0.25, "progressive_count": 0.375},
            reward_mean_by_component={"exact": 1 / self.at, "progressive_count": 0.75},
        )
        done = pb.StepDone(step=self.at, total_steps=TOTAL_STEPS, metrics=metrics)
        await self.learner.log(self.job_id, step_done=done)
        return self.at

    async def start_another(self) -> str:
        answer = await self.gateway.train(self.file_id, job_name=f"another of {self.at}")
        return answer.json()["job_id"]


def _samples(step: int) -> pb.SamplesShown:
    answers = [
        pb.ShownAnswer(text=f"{step} apples", count=step, reward=0.5),
        pb.ShownAnswer(text="A photo of 11111118 apples", count=11_111_118),
        pb.ShownAnswer(text="many"),
    ]
    groups = [
        pb.ShownGroup(row=2 + (step + i) % 9, question="How many?", true_count=3, answers=answers)
        for i in range(4)
    ]
    return pb.SamplesShown(step=step, groups=groups)


@asynccontextmanager
async def scripted_job(data_dir: Path, dataset: Path) -> AsyncIterator[ScriptedJob]:
    learner = FakeLearner()
    learner.hold.clear()
    async with running_gateway(data_dir, learner) as gateway:
        file_id = (await gateway.upload(dataset.read_bytes())).json()["file_id"]
        body = {"job_name": "apples", "evaluation_file_id": file_id}
        job_id = (await gateway.train(file_id, **body)).json()["job_id"]
        await gateway.until(job_id, "training", phase="learning")
        yield ScriptedJob(gateway, learner, job_id, file_id, dataset)
