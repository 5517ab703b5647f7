"""How long a job will still take, by what it says."""

from learner_service.events import (
    EvaluationProgress,
    JobPhase,
    PhaseChanged,
    StepDone,
    WorkerStarted,
)
from learner_service.queue.pace import Pace, start_seconds
from tally.job.metrics import StepMetrics


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def step(number: int, seconds: float | None, total: int = 10) -> StepDone:
    metrics = StepMetrics(step_seconds=seconds)
    return StepDone(step=number, total_steps=total, metrics=metrics)


def test_nothing_is_known_before_a_step_was_measured():
    pace = Pace()
    pace.take(WorkerStarted(attempt=1, resumed_from_step=0, total_steps=10))
    assert pace.seconds_left is None
    pace.take(step(1, None))
    assert pace.seconds_left is None


def test_the_steps_left_take_as_long_as_the_median_of_the_last_ones():
    clock = Clock()
    pace = Pace(clock)
    for number, seconds in enumerate((2.0, 90.0, 2.0), start=1):
        pace.take(step(number, seconds))
    assert pace.seconds_left == 14.0
    clock.seconds = 4.0
    assert pace.seconds_left == 10.0
    clock.seconds = 100.0
    assert pace.seconds_left == 0.0


def test_a_job_without_replicas_tells_nothing():
    pace = Pace()
    pace.take(step(1, 2.0))
    pace.take(PhaseChanged(phase=JobPhase.WAITING_FOR_ROLLOUT))
    assert pace.seconds_left is None
    pace.take(PhaseChanged(phase=JobPhase.ROLLOUT))
    assert pace.seconds_left is not None


def test_a_comparison_takes_as_long_as_its_answers_so_far_say():
    clock = Clock()
    pace = Pace(clock)
    pace.take(step(10, 2.0))
    assert (pace.seconds_left, pace.has_steps_left) == (None, False)
    for seconds, answered in ((0.0, 0), (5.0, 10)):
        clock.seconds = seconds
        pace.take(EvaluationProgress(answered=answered, total=30))
    assert pace.seconds_left == 10.0


def test_those_that_wait_get_the_rooms_as_they_free_and_beyond_them_nothing_is_told():
    assert start_seconds(4, [50.0, None, 10.0]) == [10.0, 50.0, None, None]
    assert start_seconds(2, [50.0], free=1) == [0.0, 50.0]
    assert start_seconds(0, [50.0]) == []
