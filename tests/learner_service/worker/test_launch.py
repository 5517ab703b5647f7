"""Processes of one job on one host, as torchrun's agent runs them: their start, stop and deaths."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from learner_service.events import Notice, WorkerFailed
from tally.messages.message import Message
from tests.learner_service.made_up_task import made_up_task
from tests.learner_service.served_link import ServedLink, served_link
from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[3]
PROGRAM = "tests.learner_service.worker.made_up_rank"


@dataclass
class Launched:
    """The agent of a job in two processes, and what lies in the job's folder."""

    process: subprocess.Popen[bytes]
    folder: Path
    served: ServedLink

    def pid(self, rank: int) -> int:
        path = self.folder / f"rank-{rank}"
        wait_until(lambda: path.exists() and path.read_text(), self.log)
        return int(path.read_text().split()[0])

    def wait(self) -> int:
        """The exit code; what was reported has been acknowledged by then."""
        return self.process.wait(timeout=PATIENCE_SECONDS)

    @property
    def failure(self) -> WorkerFailed | None:
        return self.served.link.failure

    def log(self) -> str:
        return (self.folder / "worker.log").read_text()


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    task = made_up_task(tmp_path, processes=2, rank_wait_seconds=60)
    command = [sys.executable, "-m", PROGRAM, "launch"]
    command += [str(task.folder_path), str(os.getpid())]
    with served_link(task) as served, task.folder.worker_log.open("wb") as log:
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | served.variables
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        yield Launched(process, tmp_path, served)
        process.kill()
        process.wait()


def has_ended(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_all_stop_at_the_same_step_when_asked(launched: Launched):
    pids = [launched.pid(rank) for rank in (0, 1)]
    launched.process.terminate()
    assert launched.wait() == 0, launched.log()
    assert launched.failure is None
    said = [event.message for event in launched.served.events if isinstance(event, Notice)]
    # The first speaks for both, each of them says it in the log.
    assert said == [f"step {n} of 2" for n in range(1, len(said) + 1)]
    stopped = {(launched.folder / f"stopped-{rank}").read_text() for rank in (0, 1)}
    assert stopped == {str(len(said))}
    assert " INFO worker job_id=one attempt=1 rank=1 " in launched.log()
    assert all(map(has_ended, pids))


def test_a_rank_that_is_killed_ends_the_others_and_is_named(launched: Launched):
    first = launched.pid(0)
    os.kill(launched.pid(1), signal.SIGKILL)
    assert launched.wait() == 1
    failure = launched.failure
    assert failure.message.startswith("rank 1 of 2 on ")
    assert "was killed from outside (signal 9)" in failure.message
    assert failure.retryable
    assert has_ended(first)


def test_what_one_rank_fails_with_is_said_and_ends_the_others(launched: Launched):
    first = launched.pid(0)
    (launched.folder / "fails-1").touch()
    assert launched.wait() == 1
    assert launched.failure == WorkerFailed.of(Message("loss_not_finite"), retryable=False)
    assert has_ended(first)


def test_ranks_do_not_outlive_their_agent(launched: Launched):
    pids = [launched.pid(rank) for rank in (0, 1)]
    launched.process.kill()
    launched.wait()
    wait_until(lambda: all(map(has_ended, pids)))


def test_a_worker_of_a_job_of_one_process_refuses_to_be_one_of_two(tmp_path: Path):
    """As it is where somebody starts it under torchrun: each would train by itself, and wrongly."""
    task = made_up_task(tmp_path)
    command = [sys.executable, "-m", "learner_service.worker.start", "worker"]
    command += [str(task.folder_path), str(os.getpid())]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "WORLD_SIZE": "2", "RANK": "0"}
    with served_link(task) as served:
        environment |= served.variables
        ended = subprocess.run(command, env=environment, capture_output=True, check=False)
        failure = served.link.failure
    assert ended.returncode == 1
    assert "gpus_per_job" in failure.message
    assert not failure.retryable
