"""Jobs of a real learner on a real Ray cluster of two nodes, of which one is killed."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from torch import Tensor

from tally.cli.stack.ports import free_ports
from tally.cli.stack.stack_secret import read_secret, secret_path, write_secret
from tally.learner.v1 import learner_pb2 as pb
from tally.rpc.job_of_call import job_of_call
from tests.fakes.counting_rollouts import ServedCounting
from tests.fakes.worker_services import WorkerServices
from tests.learner_service.learner_process import ROOT, Learner, learner, put_dataset
from tests.waiting import wait_until

# Two jobs of one process and two of two take all of both nodes.
PROCESSES = (1, 1, 2, 2)
CPUS_OF_A_NODE = 3
STEPS = 14
CALLS_OF_A_STEP = 3
HELD_AFTER_STEP = 6
MOST_STARTS = 5
# Ray's own bounds are for a machine that has nothing else to do.
RAY_PATIENCE = {
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_raylet_start_wait_time_s": "600",
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_health_check_timeout_ms": "120000",
}
ENDLESS = {"max_steps": 10_000, "save_steps": 10_000, "num_epochs": 10_000}
Adapter = dict[str, Tensor]


class HoldingRollouts(ServedCounting):
    """Answers each job as many groups as `most_groups` says, and then waits."""

    def __init__(self, policy_path: Path) -> None:
        super().__init__(policy_path)
        self.asked: Counter[str] = Counter()
        self.most_groups = 0

    async def Generate(self, request, context):
        job_id = job_of_call(request, context)
        self.asked[job_id] += 1
        number = self.asked[job_id]
        while number > self.most_groups:  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.05)
        return await super().Generate(request, context)

    def go_on(self) -> None:
        self.most_groups = 10**9


@dataclass
class Cluster:
    """Ray's, as a process; `options` are those of a learner that places its jobs there."""

    process: subprocess.Popen[str]
    log: Path
    client_port: int
    learner_port: int

    @property
    def options(self) -> list[str]:
        return [
            "--placement=ray",
            f"--ray.address=ray://127.0.0.1:{self.client_port}",
            f"--ray.learner.target=127.0.0.1:{self.learner_port}",
            "--ray.cpus-per-process=1",
            "--jobs-at-once=4",
            "--nodes-per-job=2",
        ]

    def expect(self, word: str) -> None:
        said = self.process.stdout.readline()
        assert said == f"{word}\n", said + self.log.read_text()

    def kill_second_node(self) -> None:
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()
        self.expect("killed")


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    write_secret(tmp_path)
    return secret_path(tmp_path)


@pytest.fixture
def cluster(tmp_path: Path, secret_file: Path) -> Iterator[Cluster]:
    client_port, learner_port = free_ports(2)
    log = tmp_path / "ray.log"
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        **RAY_PATIENCE,
        "RAY_USAGE_STATS_ENABLED": "0",
        "TALLY_HOST_DATA_DIR": str(tmp_path / "node"),
        "TALLY_HOST_INTERFACE": "lo",
        "TALLY_HOST_SERVICES_SECRET_PATH": str(secret_file),
    }
    process = start_nodes(client_port, log, environment)
    try:
        yield Cluster(process, log, client_port, learner_port)
    finally:
        process.communicate()


def start_nodes(client_port: int, log: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Several times: Ray gives a node 30 s to start, whatever else the machine does."""
    module = "tests.learner_service.ray_cluster.ray_nodes"
    for _ in range(MOST_STARTS):
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(CPUS_OF_A_NODE), str(client_port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env=environment,
            )
        if process.stdout.readline() == "ready\n":
            return process
        process.communicate()
    raise AssertionError(log.read_text())


@dataclass
class Setting:
    """What every learner here has: the services that it asks, the secret, and the model."""

    policy_path: Path
    secret_file: Path
    rollouts: HoldingRollouts = field(init=False)

    def __post_init__(self) -> None:
        self.rollouts = HoldingRollouts(self.policy_path)

    @contextmanager
    def learner(self, data_dir: Path, *options: str, port: int = 0) -> Iterator[Learner]:
        secret = read_secret(self.secret_file.parent)
        services = WorkerServices(self.rollouts, secret=secret)
        given = services.learner_options(self.policy_path)
        given += ["--services-secret-path", str(self.secret_file)]
        try:
            with learner(data_dir, *given, *options, port=port, secret=secret) as running:
                yield running
        finally:
            services.close()


@pytest.fixture
def setting(random_policy_path: Path, secret_file: Path) -> Setting:
    return Setting(random_policy_path, secret_file)


def start_jobs(running: Learner, dataset_digest: str) -> list[str]:
    return [
        running.start_job(dataset_digest, seed=seed, processes=processes, save_steps=2)
        for seed, processes in enumerate(PROCESSES)
    ]


def adapters(running: Learner, jobs: Sequence[str]) -> list[Adapter]:
    """Those of jobs that complete, each step once."""
    for job_id in jobs:
        assert running.wait(job_id).status == pb.JOB_STATUS_COMPLETED, running.log(job_id)
        assert running.steps(job_id) == list(range(1, STEPS + 1))
    return [running.adapter(job_id) for job_id in jobs]


def resumed_from(running: Learner, job_id: str) -> list[int]:
    """The step that each attempt went on from."""
    events = [one for one in running.events(job_id) if one.HasField("worker_started")]
    return [one.worker_started.resumed_from_step for one in events]


def shown_log(running: Learner, job_id: str) -> str:
    """What `tally logs` prints."""
    return running.stub.GetJobLog(pb.GetJobLogRequest(job_id=job_id)).text


def test_four_jobs_at_once_go_on_elsewhere_when_a_node_is_killed(
    tmp_path: Path, setting: Setting, cluster: Cluster
):
    data_dir = tmp_path / "learner"
    digest = put_dataset(data_dir)
    with setting.learner(data_dir, *cluster.options, port=cluster.learner_port) as running:
        jobs = start_jobs(running, digest)
        # None is answered before all of them ask.
        wait_until(lambda: set(jobs) == set(setting.rollouts.asked), lambda: running.log(jobs[0]))
        setting.rollouts.most_groups = CALLS_OF_A_STEP * HELD_AFTER_STEP
        for job_id in jobs:
            saved = running.folder(job_id).checkpoints
            wait_until(lambda saved=saved: saved.newest_step == HELD_AFTER_STEP)
        cluster.kill_second_node()
        setting.rollouts.go_on()
        learnt = adapters(running, jobs)
        attempts = [resumed_from(running, job_id) for job_id in jobs]
        moved = [found for found in attempts if found != [0]]
        assert moved
        # Who is left of two processes saves where it stands.
        assert all(found[0] == 0 and found[1] >= HELD_AFTER_STEP for found in moved), attempts
        assert {len(found) for found in moved} == {2}, attempts
        for job_id in jobs:  # what was printed last may come after the job's end
            last = f" step {STEPS} of {STEPS}:"
            wait_until(lambda job_id=job_id, last=last: last in shown_log(running, job_id))

    alone_dir = tmp_path / "alone"
    digest = put_dataset(alone_dir)
    with setting.learner(alone_dir, "--gpus-per-job", "2") as running:
        expected = adapters(running, start_jobs(running, digest))
    for adapter, other in zip(learnt, expected, strict=True):
        assert adapter.keys() == other.keys()
        assert all(weights.equal(other[name]) for name, weights in adapter.items())


def test_jobs_are_cancelled_saved_at_the_learners_end_and_resumed(
    tmp_path: Path, setting: Setting, cluster: Cluster
):
    data_dir = tmp_path / "learner"
    digest = put_dataset(data_dir)
    setting.rollouts.go_on()
    with setting.learner(data_dir, *cluster.options, port=cluster.learner_port) as running:
        cancelled = running.start_job(digest, seed=1, processes=2, **ENDLESS)
        kept = running.start_job(digest, seed=2, processes=1, **ENDLESS)
        for job_id in (cancelled, kept):
            running.wait(job_id, step=2)
        running.stub.CancelJob(pb.CancelJobRequest(job_id=cancelled))
        saved = running.folder(cancelled).checkpoints
        wait_until(lambda: saved.newest_step >= 2, lambda: running.log(cancelled))
        reached = running.job(kept).current_step
    assert running.folder(kept).checkpoints.newest_step >= reached, running.log(kept)
    with setting.learner(data_dir, *cluster.options, port=cluster.learner_port) as running:
        running.wait(kept, step=running.folder(kept).checkpoints.newest_step + 2)
        running.stub.CancelJob(pb.CancelJobRequest(job_id=kept))
        first, second = resumed_from(running, kept)
    assert first == 0
    assert second >= reached
