"""Two learners on real services: one samples inside, the other asks a rollout service."""

import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from safetensors.torch import load_file
from torch import Tensor

from bench.jobs import Stack, running_stack, write_dataset
from bench.processes import started_by
from bench.scenes import examples
from learner_service.job_folder.layout import JobFolder
from tally.cli.stack.stack_secret import read_secret
from tally.learner.v1 import learner_pb2 as pb
from tally.learner.v1 import learner_pb2_grpc
from tally.rpc.secret import secret_metadata
from tally.samples.small_policy import POLICY_PATH
from tests.waiting import PATIENCE_SECONDS

STEPS = 5
SIDE_PIXELS = 112
SEEN, HELD_OUT = 12, 3  # scenes


@dataclass
class Ended:
    """A job that has ended, and what it said."""

    job_id: str
    folder: JobFolder
    events: list[pb.JobEvent] = field(default_factory=list)

    @property
    def adapter(self) -> dict[str, Tensor]:
        return load_file(self.folder.output / "adapter_model.safetensors")

    @property
    def steps(self) -> list[pb.StepDone]:
        return [event.step_done for event in self.events if event.HasField("step_done")]

    @property
    def curve(self) -> list[pb.HeldOutScored]:
        return [event.held_out_scored for event in self.events if event.HasField("held_out_scored")]


@dataclass(frozen=True)
class Asked:
    """A running learner, and how a test asks it."""

    stack: Stack
    dataset_digest: str
    evaluation_digest: str

    def stub(self, channel: grpc.Channel) -> learner_pb2_grpc.LearnerServiceStub:
        return learner_pb2_grpc.LearnerServiceStub(channel)

    @property
    def shown(self) -> list[tuple[str, str]]:
        return [secret_metadata(read_secret(self.stack.data_dir))]

    def train(self, *, kill_after: int = 0, **changes: object) -> Ended:
        """Its worker is killed once, after the step of this number."""
        return self.run(self.training(**changes), kill_after=kill_after)

    def run(self, spec: pb.JobSpec, *, kill_after: int = 0) -> Ended:
        events: list[pb.JobEvent] = []
        for run_id, event in self.stack.run(spec):
            job_id = run_id
            events.append(event)
            if kill_after and event.HasField("step_done") and event.step_done.step == kill_after:
                kill_after = 0
                os.kill(self.stack.worker_pid(), signal.SIGKILL)
        folder = JobFolder.of_job(self.stack.data_dir / "learner", job_id)
        return Ended(job_id, folder, events)

    def training(self, **changes: object) -> pb.JobSpec:
        settings = {
            "max_steps": STEPS,
            "num_epochs": 100,
            "batch_size": 2,
            "gradient_accumulation_steps": 2,
            "num_generations": 4,
            "learning_rate": 1e-3,
            "temperature": 1.0,
            "max_new_tokens": 12,
            "max_image_size": SIDE_PIXELS,
            "use_4bit": False,
            "save_steps": 2,
        }
        training = pb.Training(
            config=pb.TrainingConfig(**settings | changes),
            lora=pb.LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0),
            evaluation_dataset_digest=self.evaluation_digest,
        )
        return pb.JobSpec(dataset_digest=self.dataset_digest, train=training)

    def answer(self, image: bytes, job_id: str = "") -> pb.AnswerResponse:
        request = pb.AnswerRequest(
            job_id=job_id, image=image, question="How many stars?", max_new_tokens=12
        )
        with grpc.insecure_channel(self.stack.learner_target) as channel:
            stub = self.stub(channel)
            return stub.Answer(request, metadata=self.shown, timeout=PATIENCE_SECONDS)

    def start(self, spec: pb.JobSpec) -> str:
        request = pb.StartJobRequest(job_id=str(uuid.uuid4()), spec=spec)
        with grpc.insecure_channel(self.stack.learner_target) as channel:
            started = self.stub(channel).StartJob(request, metadata=self.shown)
        return started.job.job_id

    def job(self, job_id: str) -> pb.Job:
        request = pb.GetJobRequest(job_id=job_id)
        with grpc.insecure_channel(self.stack.learner_target) as channel:
            return self.stub(channel).GetJob(request, metadata=self.shown).job

    def cancel(self, job_id: str) -> None:
        request = pb.CancelJobRequest(job_id=job_id)
        with grpc.insecure_channel(self.stack.learner_target) as channel:
            self.stub(channel).CancelJob(request, metadata=self.shown)

    def engine_pids(self) -> list[int]:
        """Of the engine that answers while no job runs: one or none."""
        return [
            pid
            for pid in started_by(self.stack.pids["learner"])
            if b"learner_service.inside" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        ]


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    settings = {"INSIDE_USE_4BIT": "false", "TORCH_THREADS": "1"}
    folder = tmp_path_factory.mktemp("inside")
    with running_stack(folder, POLICY_PATH, learner=settings, sampling="inside") as stack:
        yield asked_of(stack, folder)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """As `inside`, where prompts go through the policy once."""
    settings = {"INSIDE_USE_4BIT": "false", "TORCH_THREADS": "1", "ONE_PASS": "always"}
    folder = tmp_path_factory.mktemp("once")
    with running_stack(folder, POLICY_PATH, learner=settings, sampling="inside") as stack:
        yield asked_of(stack, folder)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("service")
    with running_stack(folder, POLICY_PATH, learner={"TORCH_THREADS": "1"}) as stack:
        yield asked_of(stack, folder)


def asked_of(stack: Stack, folder: Path) -> Asked:
    sets = {"seen": examples(SEEN, SIDE_PIXELS), "held_out": examples(HELD_OUT, SIDE_PIXELS, 1)}
    for name, scenes in sets.items():
        write_dataset(folder / f"{name}.zip", scenes)
    return Asked(stack, *(stack.put(folder / f"{name}.zip") for name in sets))
