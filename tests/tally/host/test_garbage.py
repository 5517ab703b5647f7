"""Python's garbage collector beside what is loaded."""

import gc
from collections.abc import Iterator

import pytest

from tally.host.garbage import leave_out_what_lives


@pytest.fixture(autouse=True)
def _walked_again() -> Iterator[None]:
    yield
    gc.unfreeze()


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_what_lives_is_walked_no_more() -> None:
    living = Cycle()
    leave_out_what_lives()
    assert gc.get_freeze_count() > 0
    assert living not in gc.get_objects()


def test_what_comes_later_is_collected() -> None:
    leave_out_what_lives()
    later = Cycle()
    assert later in gc.get_objects()
    del later
    assert gc.collect() > 0
