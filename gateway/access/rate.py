"""How often a sender may do something."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_SENDERS = 10_000


class Rate:
    """Lets each sender do something `at_once` times, and once more every `seconds`.

    Of each it keeps the moment at which all is forgiven (the generic cell rate algorithm), and of
    10,000 senders at most: then the one of the longest silence is forgotten.

    >>> rate = Rate(at_once=2, seconds=60.0, clock=lambda: 0.0)
    >>> [rate.seconds_to_wait("192.0.2.1") for _ in range(3)]
    [0, 0, 60]
    """

    def __init__(
        self, at_once: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._most_ahead_seconds = seconds * (at_once - 1)
        self._clock = clock
        self._forgiven_at: OrderedDict[str, float] = OrderedDict()

    def seconds_to_wait(self, sender: str) -> int:
        """0, and then this time counts; or the seconds until it is let in again."""
        now = self._clock()
        forgiven_at = max(now, self._forgiven_at.pop(sender, now))
        wait_seconds = forgiven_at - now - self._most_ahead_seconds
        if wait_seconds <= 0:
            forgiven_at += self._seconds
        self._forgiven_at[sender] = forgiven_at
        if len(self._forgiven_at) > _MOST_SENDERS:
            self._forgiven_at.popitem(last=False)
        return max(0, math.ceil(wait_seconds))
