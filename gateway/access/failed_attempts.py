"""Wrong tokens by the address that sent them."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

_MOST_ADDRESSES = 10_000


class _Count(NamedTuple):
    attempts: int
    until_seconds: float


class FailedAttempts:
    """Counts them within periods of `period_seconds`; beyond `most` an address is to wait.

    An attacker with many addresses has the oldest of 10,000 forgotten.

    >>> attempts = FailedAttempts(most=1, period_seconds=60.0, clock=lambda: 0.0)
    >>> attempts.add("192.0.2.1"), attempts.add("192.0.2.1"), attempts.add("192.0.2.2")
    (0, 60, 0)
    """

    def __init__(
        self, most: int, period_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._period_seconds = period_seconds
        self._clock = clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def add(self, address: str) -> int:
        """Counts one more; returns the seconds to wait before the next, 0 for none."""
        now = self._clock()
        count = self._counts.pop(address, _Count(0, now + self._period_seconds))
        if count.until_seconds <= now:
            count = _Count(0, now + self._period_seconds)
        count = count._replace(attempts=count.attempts + 1)
        self._counts[address] = count
        if len(self._counts) > _MOST_ADDRESSES:
            self._counts.popitem(last=False)
        return math.ceil(count.until_seconds - now) if count.attempts > self._most else 0
