"""A job over replicas that are killed, stopped and started while it runs."""

import io
import json
import os
import signal
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from learner_service.blobs.blob_store import BlobStore
from tally.cli.stack.ports import free_ports
from tally.learner.v1 import learner_pb2 as pb
from tally.learner.v1 import learner_pb2_grpc
from tally.samples.scenes import draw_scene
from tally.samples.small_policy import POLICY_PATH
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
GROUPS, COMPLETIONS, STEPS = 6, 4, 24


@dataclass(frozen=True, kw_only=True)
class Process:
    """A service that listens; `folder` is its own."""

    process: subprocess.Popen[bytes]
    folder: Path

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @property
    def blobs_fetched(self) -> int:
        """How many images and adapters a replica keeps; none before it gets work."""
        return sum(len(path.name) == 64 for path in (self.folder / "cache").glob("*"))


@contextmanager
def started(folder: Path, module: str, port: int, *options: str) -> Iterator[Process]:
    """Started, and maybe not ready yet; killed at the end."""
    paths = str(ROOT)
    environment = os.environ | {"PYTHONPATH": paths, "OMP_WAIT_POLICY": "PASSIVE"}
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--server.port", str(port), *options],
            env=environment,
            stderr=log,
            stdout=log,
        )
    try:
        yield Process(process=process, folder=folder)
    finally:
        process.kill()
        process.wait()


def serving(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            request = health_pb2.HealthCheckRequest()
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=5)
        except grpc.RpcError:
            return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def dataset() -> bytes:
    """Eighteen scenes as a gateway hands them to a learner."""
    scenes = [draw_scene(Random(number)) for number in range(18)]
    lines = [
        {"row": n + 2, "image": f"{n}.png", "question": s.question, "true_count": s.count}
        for n, s in enumerate(scenes)
    ]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("tally.samples.jsonl", "\n".join(map(json.dumps, lines)))
        for number, scene in enumerate(scenes):
            with archive.open(f"{number}.png", "w") as file:
                scene.image.save(file, "PNG")
    return buffer.getvalue()


class Job:
    """A job of a learner that runs alone, without a gateway."""

    def __init__(self, channel: grpc.Channel, dataset_digest: str) -> None:
        self._stub = learner_pb2_grpc.LearnerServiceStub(channel)
        self._id = str(uuid.uuid4())
        config = pb.TrainingConfig(
            max_steps=STEPS,
            batch_size=GROUPS,
            gradient_accumulation_steps=1,
            num_generations=COMPLETIONS,
            learning_rate=2e-3,
            temperature=1.0,
            use_4bit=False,
            max_image_size=112,
            max_new_tokens=12,
            beta=1e-4,  # nothing is skipped, so the gap is that of every completion
        )
        lora = pb.LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0)
        train = pb.Training(config=config, lora=lora)
        spec = pb.JobSpec(dataset_digest=dataset_digest, train=train)
        request = pb.StartJobRequest(job_id=self._id, spec=spec)
        self._stub.StartJob(request, timeout=60, wait_for_ready=True)

    def now(self) -> pb.Job:
        return self._stub.GetJob(pb.GetJobRequest(job_id=self._id), timeout=10).job

    def events(self) -> list[pb.JobEvent]:
        """All of them, once the job has ended."""
        request = pb.WatchJobRequest(job_id=self._id)
        return [response.event for response in self._stub.WatchJob(request, timeout=60)]


@pytest.fixture
def ports() -> list[int]:
    return free_ports(6)


@pytest.fixture
def replica(tmp_path: Path, ports: list[int]) -> Iterator[Callable[[int], Process]]:
    """Starts the replica of a number, 0 to 3."""
    with ExitStack() as running:

        def start(number: int) -> Process:
            folder = tmp_path / f"replica-{number}"
            options = ["--model", str(POLICY_PATH), "--engine", "transformers"]
            options += ["--torch-threads", "1", "--cache-dir", str(folder / "cache")]
            options += ["--blob.target", f"127.0.0.1:{ports[4]}"]
            service = started(folder, "rollout_service", ports[number], *options)
            return running.enter_context(service)

        yield start


@pytest.fixture
def job(tmp_path: Path, ports: list[int]) -> Iterator[Callable[[], Job]]:
    """Starts a job whose learner knows four addresses of replicas."""
    folder = tmp_path / "learner"
    replicas = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports[:4])
    options = ["--data-dir", str(folder / "data"), "--models", json.dumps([str(POLICY_PATH)])]
    options += ["--rollout.target", replicas, "--rollout.keepalive-seconds", "0.5"]
    options += ["--reward.target", f"127.0.0.1:{ports[5]}", "--torch-threads", "1"]
    with (
        started(tmp_path / "reward", "reward_service", ports[5]),
        started(folder, "learner_service", ports[4], *options),
        grpc.insecure_channel(f"127.0.0.1:{ports[4]}") as channel,
    ):

        def start() -> Job:
            return Job(channel, BlobStore(folder / "data" / "blobs").put_bytes(dataset()))

        yield start


def test_replicas_killed_stopped_and_started_during_a_job(replica, job, ports):
    killed, stopped, last = [replica(number) for number in range(3)]
    wait_until(lambda: all(serving(port) for port in ports[:3]), "three replicas that serve")
    running = job()
    wait_until(lambda: all(r.blobs_fetched for r in (killed, stopped, last)), "work for all three")
    killed.signal(signal.SIGKILL)
    stopped.signal(signal.SIGSTOP)
    step = running.now().current_step
    wait_until(lambda: running.now().current_step >= step + 2, "steps with one replica of three")
    last.signal(signal.SIGSTOP)
    wait_until(lambda: running.now().phase == pb.JOB_PHASE_WAITING_FOR_ROLLOUT, "word of the wait")
    assert running.now().current_step < STEPS
    newcomer = replica(3)
    wait_until(lambda: newcomer.blobs_fetched > 0, "work for the one that joined")
    stopped.signal(signal.SIGCONT)
    events = running.events()
    assert events[-1].job_ended.status == pb.JOB_STATUS_COMPLETED, events[-1]
    steps = [event.step_done for event in events if event.HasField("step_done")]
    assert [one.step for one in steps] == list(range(1, STEPS + 1))
    for one in steps:
        metrics = one.metrics
        # Every group whole, once; and sampled from the very adapter of its step, which the
        # learner's own log-probabilities tell from the one of the step before.
        completions = metrics.samples_per_second * metrics.step_seconds
        assert completions == pytest.approx(GROUPS * COMPLETIONS)
        assert metrics.log_probability_gap < 1e-4
    assert not [event for event in events if event.HasField("notice")]
