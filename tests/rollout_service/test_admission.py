"""Which requests a replica takes: by number, and by the time that what waits will take."""

from contextlib import ExitStack

import pytest

from rollout_service.admission import Admission
from rollout_service.errors import TooManyRequests
from rollout_service.settings import RolloutSettings


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("rollout_service.admission.time", clock)
    return clock


def admission(waiting: int = 2, seconds: float = 0.0) -> Admission:
    """Batches of four."""
    return Admission(
        RolloutSettings(
            max_batch_completions=4, max_waiting_completions=waiting, max_waiting_seconds=seconds
        )
    )


def taken(replica: Admission, completions: int = 2) -> int:
    """How many requests it takes at once."""
    with ExitStack() as held:
        for number in range(100):
            try:
                held.enter_context(replica.admit(completions))
            except TooManyRequests:
                return number
    return 100


def test_a_batch_and_what_may_wait():
    replica = admission()
    assert [taken(replica), taken(replica)] == [3, 3]


def test_one_request_alone_always_has_room():
    assert taken(admission(waiting=0), completions=8) == 1


def busy(replica: Admission, clock: Clock, seconds: float) -> None:
    """Three requests of two completions at once; the last waits, and all take so long."""
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(replica.admit(2))
        clock.now += seconds


def test_more_wait_where_they_would_begin_soon(clock):
    replica = admission(seconds=1.0)
    busy(replica, clock, seconds=0.5)  # 6 completions in 0.5 s: 12 may wait beside a batch of 4
    assert taken(replica) == 8


def test_a_slow_engine_has_the_least_queue(clock):
    replica = admission(seconds=1.0)
    busy(replica, clock, seconds=60.0)
    assert taken(replica) == 3


def test_requests_that_found_a_free_engine_or_failed_tell_no_pace(clock):
    replica = admission(seconds=1.0)
    with replica.admit(2), replica.admit(2):
        clock.now += 0.01
    with pytest.raises(KeyError), replica.admit(6):
        raise KeyError
    assert taken(replica) == 3


def test_a_request_hears_whether_the_replica_was_full_meanwhile():
    replica = admission()
    with replica.admit(2) as first, replica.admit(2) as second:
        assert not first()
        with replica.admit(2):
            assert first()
        assert second()
    with replica.admit(2) as later:
        assert not later()
