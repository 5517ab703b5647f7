"""A placement of GPUs that are not there: its workers only wait, and say what real ones say."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import fields

from learner_service.events import (
    Event,
    JobEnded,
    JobPhase,
    JobStatus,
    PhaseChanged,
    SamplesShown,
    StepDone,
    WorkerStarted,
)
from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.queue.worker_process import WorkerExit
from learner_service.spec import JobSpec
from tally.job.answers import ShownAnswer, ShownGroup
from tally.job.metrics import StepMetrics

# What a step of a job says: two phases, the answers that it shows, its figures.
EVENTS_PER_STEP = 4
_BY_NAME = ("reward_share_by_component", "reward_mean_by_component")
_FIGURES = [field.name for field in fields(StepMetrics) if field.name not in _BY_NAME]
_ANSWER = ShownAnswer(text="A photo of 3 apples", count=3, reward=1.0)
_GROUP = ShownGroup(row=2, question="How many apples?", true_count=3, answers=[_ANSWER] * 8)


class WaitingPlacement:
    def __init__(self, gpus: int, steps: int, step_seconds: float, result_digest: str) -> None:
        """`result_digest` is the blob that every job yields."""
        self.most_jobs = self._free = gpus
        self._steps = steps
        self._step_seconds = step_seconds
        self._result_digest = result_digest

    def acquire(self, spec: JobSpec) -> "WaitingPlacement | None":
        if not self._free:
            return None
        self._free -= 1
        return self

    def release(self) -> None:
        self._free += 1

    async def plan(self, spec: JobSpec, lost: int, is_over: Callable[[], bool]) -> Launch:
        return Launch()

    @asynccontextmanager
    async def start(self, task: WorkerTask) -> "AsyncIterator[_WaitingWorker]":
        yield _WaitingWorker(
            list(_events(task.attempt, self._steps, self._result_digest)), self._step_seconds
        )


class _WaitingWorker:
    def __init__(self, events: list[Event], step_seconds: float) -> None:
        self._events = events
        self._step_seconds = step_seconds
        self._stop = asyncio.Event()

    async def run(self, on_event: Callable[[Event], Awaitable[None]]) -> WorkerExit:
        for event in self._events:
            if isinstance(event, StepDone):
                await asyncio.sleep(self._step_seconds)
            if self._stop.is_set():
                break
            await on_event(event)
        return WorkerExit(code=0, failure=None)

    def stop(self) -> None:
        self._stop.set()


def _events(attempt: int, steps: int, result_digest: str) -> Iterator[Event]:
    metrics = StepMetrics.of({**dict.fromkeys(_FIGURES, 0.125), **{name: {} for name in _BY_NAME}})
    yield WorkerStarted(attempt=attempt, resumed_from_step=0, total_steps=steps)
    for step in range(1, steps + 1):
        yield PhaseChanged(phase=JobPhase.ROLLOUT)
        yield PhaseChanged(phase=JobPhase.LEARNING)
        yield SamplesShown(step=step, groups=[_GROUP] * 2)
        yield StepDone(step=step, total_steps=steps, metrics=metrics, groups=2)
    yield JobEnded(status=JobStatus.COMPLETED, result_digest=result_digest)
