"""A call of a database, which is done in time or has no effect."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tally.database.errors import DatabaseTimeout

_LEAST_SECONDS = 0.05  # a driver that may not wait at all reads nothing
_of_thread = threading.local()


class Call:
    """Until it commits, whoever waits for it may give it up; from then on it can't be undone."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._given_up = self._commits = False

    @property
    def seconds_left(self) -> float:
        return max(_LEAST_SECONDS, self._deadline - time.monotonic())

    def give_up(self) -> bool:
        """Whether it will commit nothing; False where it may have."""
        with self._lock:
            self._given_up = not self._commits
        return self._given_up

    def commit(self) -> None:
        """Gives it time of its own for that. Raises DatabaseTimeout where it was given up."""
        with self._lock:
            if self._given_up:
                raise DatabaseTimeout("the call was given up before it could be committed")
            self._commits = True
            self._deadline = time.monotonic() + self._seconds

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """What this thread asks of a database belongs to it. Raises DatabaseTimeout where it comes
        too late."""
        if time.monotonic() > self._deadline:
            raise DatabaseTimeout("the database had no time for the call")
        _of_thread.call = self
        try:
            yield
        finally:
            _of_thread.call = None


def seconds_left(most: float) -> float:
    """How long this thread may wait for the database: `most`, where it does no call."""
    call: Call | None = getattr(_of_thread, "call", None)
    return most if call is None else min(most, call.seconds_left)


def check_before_commit() -> None:
    """Raises DatabaseTimeout where the call that this thread does was given up."""
    call: Call | None = getattr(_of_thread, "call", None)
    if call is not None:
        call.commit()
