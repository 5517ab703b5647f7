"""A job on a stack of its own, whose processes all stand still but when it is to go on."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import grpc

from bench.jobs import Stack, running_stack, write_dataset
from bench.processes import cpu_seconds, started_by
from bench.scenes import examples
from bench.waiting import wait_for
from bench.worker_events.job import FIRST_EPOCH, IMAGES, SIDE_PIXELS, job_spec
from tally.cli.stack.services import SamplingPlace
from tally.samples.small_policy import POLICY_PATH

_HOUSE = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Side:
    """A way to run the job: with the modules of which checkout, and where it samples."""

    house: Path = _HOUSE
    learner_module: str = "learner_service"
    sampling: SamplingPlace = "service"


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """A time in which the job went on, and what its learner and its worker computed in it."""

    began_at: float
    ended_at: float
    cpu_seconds: float


class RunningJob:
    """Has seen every image once it is made."""

    def __init__(self, stack: Stack, dataset_digest: str) -> None:
        self._stack = stack
        self._digest = dataset_digest
        self._step_times: list[float] = []
        self._turns: list[_Turn] = []
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()
        wait_for(lambda: len(self._step_times) > FIRST_EPOCH or not self._watching.is_alive())
        self._measured = [stack.pids["learner"], stack.worker_pid()]
        self._pids = [one for pid in stack.pids.values() for one in (pid, *started_by(pid))]
        self._signal(signal.SIGSTOP)

    def _watch(self) -> None:
        with suppress(grpc.RpcError, RuntimeError):  # once its stack is ended
            for _, event in self._stack.run(job_spec(self._digest)):
                if event.HasField("step_done"):
                    self._step_times.append(event.time.ToNanoseconds() / 1e9)

    def go_on(self, seconds: float) -> None:
        began_at, before = time.time(), self._cpu_seconds()
        self._signal(signal.SIGCONT)
        time.sleep(seconds)
        self._signal(signal.SIGSTOP)
        spent = self._cpu_seconds() - before
        self._turns.append(_Turn(began_at=began_at, ended_at=time.time(), cpu_seconds=spent))

    def end(self) -> None:
        self._signal(signal.SIGCONT)

    def figures(self) -> dict[str, list[float]]:
        """Of a step in each turn: the median of its seconds, and its CPU time."""
        steps = [self._steps_of(turn) for turn in self._turns]
        return {
            "seconds": [median(after - before for before, after in pairwise(s)) for s in steps],
            "cpu_seconds": [
                turn.cpu_seconds / len(s) for turn, s in zip(self._turns, steps, strict=True)
            ],
        }

    def _steps_of(self, turn: _Turn) -> list[float]:
        return [t for t in self._step_times if turn.began_at < t < turn.ended_at]

    def _cpu_seconds(self) -> float:
        return sum(map(cpu_seconds, self._measured))

    def _signal(self, number: int) -> None:
        for pid in self._pids:
            os.kill(pid, number)


@contextmanager
def running_job(folder: Path, side: Side) -> Iterator[RunningJob]:
    """One that stands still, in a folder that is made for it."""
    folder.mkdir()
    dataset = folder / "data.zip"
    write_dataset(dataset, examples(IMAGES, SIDE_PIXELS))
    with running_stack(
        folder,
        POLICY_PATH,
        sampling=side.sampling,
        house=side.house,
        learner_module=side.learner_module,
    ) as stack:
        job = RunningJob(stack, stack.put(dataset))
        try:
            yield job
        finally:
            job.end()
