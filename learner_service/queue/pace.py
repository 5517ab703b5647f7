"""How long a job that runs will still take, by what it says of its steps."""

import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence

from learner_service.events import (
    EvaluationProgress,
    Event,
    JobPhase,
    PhaseChanged,
    StepDone,
    WorkerStarted,
)

_STEPS = 20


class Pace:
    """Takes a job's events. It knows nothing before the first step of a worker, while rollouts are
    waited for, and between the last step and the second word of the comparison."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._step_seconds = deque[float](maxlen=_STEPS)
        self._first_answers: tuple[float, int] | None = None
        self._left: float | None = None
        self._told_at = 0.0
        self._is_waiting = False
        self.has_steps_left = True

    def take(self, event: Event) -> None:
        match event:
            case PhaseChanged(phase=phase):
                self._is_waiting = phase is JobPhase.WAITING_FOR_ROLLOUT
            case WorkerStarted(resumed_from_step=step, total_steps=total):
                self._take_step(total - step, None)
            case StepDone(step=step, total_steps=total, metrics=metrics):
                self._take_step(total - step, metrics.step_seconds)
            case EvaluationProgress(answered=answered, total=total):
                self._take_answers(answered, total)

    @property
    def seconds_left(self) -> float | None:
        """None where that can't be told."""
        if self._left is None or self._is_waiting:
            return None
        return max(0.0, self._left - (self._clock() - self._told_at))

    def _take_step(self, steps_left: int, seconds: float | None) -> None:
        if seconds is not None:
            self._step_seconds.append(seconds)
        self.has_steps_left = steps_left > 0
        knows = self._step_seconds and self.has_steps_left
        self._tell(steps_left * statistics.median(self._step_seconds) if knows else None)

    def _take_answers(self, answered: int, total: int) -> None:
        self.has_steps_left = False
        if self._first_answers is None:
            self._first_answers = self._clock(), answered
            return
        since, before = self._first_answers
        if answered > before:
            self._tell((self._clock() - since) / (answered - before) * (total - answered))

    def _tell(self, left: float | None) -> None:
        self._left, self._told_at = left, self._clock()


def start_seconds(waiting: int, left: Sequence[float | None], free: int = 0) -> list[float | None]:
    """In how many seconds each of those that wait starts, in their order: when the jobs that run,
    and still take `left`, make room one after another. `free` rooms are there already.

    How long those take that wait themselves is not known: beyond the rooms nothing can be told.

    Example:
        >>> start_seconds(3, left=[90.0, None, 30.0])
        [30.0, 90.0, None]
    """
    known = sorted(each for each in left if each is not None)
    return [*[0.0] * free, *known, *[None] * waiting][:waiting]
