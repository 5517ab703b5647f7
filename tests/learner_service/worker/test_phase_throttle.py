import threading

import pytest

from learner_service.events import JobPhase, PhaseChanged
from learner_service.worker.phase_throttle import PhaseThrottle
from tally.rpc.errors import Unavailable

_FOR_EVER = 3_600.0


def _phases(said: list[PhaseChanged]) -> list[JobPhase]:
    return [event.phase for event in said]


def test_the_first_phase_is_told_at_once_and_what_is_soon_over_is_not():
    said: list[PhaseChanged] = []
    throttle = PhaseThrottle(said.append, _FOR_EVER)
    for phase in (JobPhase.LOADING, JobPhase.ROLLOUT, JobPhase.LEARNING):
        throttle.enter(phase)
    throttle.end()
    assert _phases(said) == [JobPhase.LOADING]


def test_every_phase_is_told_where_there_is_time():
    said: list[PhaseChanged] = []
    throttle = PhaseThrottle(said.append, seconds=0)
    for phase in (JobPhase.LOADING, JobPhase.LOADING, JobPhase.ROLLOUT, JobPhase.LEARNING):
        throttle.enter(phase)
    assert _phases(said) == [JobPhase.LOADING, JobPhase.ROLLOUT, JobPhase.LEARNING]


def test_the_phase_that_lasts_is_told_though_nothing_else_is_said():
    said: list[PhaseChanged] = []
    lasting = threading.Event()

    def tell(event: PhaseChanged) -> None:
        said.append(event)
        if event.phase is JobPhase.SAVING:
            lasting.set()

    throttle = PhaseThrottle(tell, seconds=0.2)
    for phase in (JobPhase.LOADING, JobPhase.ROLLOUT, JobPhase.LEARNING, JobPhase.SAVING):
        throttle.enter(phase)
    assert lasting.wait(30)
    assert _phases(said)[-1] is JobPhase.SAVING


def test_who_enters_a_phase_hears_that_the_attempt_is_over():
    def tell(event: PhaseChanged) -> None:
        raise Unavailable("the service is gone")

    with pytest.raises(Unavailable):
        PhaseThrottle(tell, seconds=0).enter(JobPhase.LOADING)
