"""Waiting for a service that is away: bounded, and never silent."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tally.rpc.errors import DeadlineExceeded, ResourceExhausted, Unavailable

T = TypeVar("T")
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0


class Retry:
    """Repeats calls while their service is away, until it answered none for `wait_seconds`.

    All calls to a service share one: an answer to any of them is a sign of life.
    `on_wait(True)` is called when waiting begins, `on_wait(False)` when it is over.
    """

    def __init__(self, wait_seconds: float, on_wait: Callable[[bool], None]) -> None:
        self._wait_seconds = wait_seconds
        self._on_wait = on_wait
        self._answered_at = -math.inf
        self._waiting = False

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Raises what `attempt` raises; Unavailable once the bound has passed.

        An attempt that hangs is cancelled at the bound.
        """
        began, pause = time.monotonic(), _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with asyncio.timeout(self._seconds_left(began)):
                    result = await attempt()
            except (Unavailable, ResourceExhausted, DeadlineExceeded, TimeoutError) as error:
                self._tell(True)
                await asyncio.sleep(min(pause, max(0.0, self._seconds_left(began))))
                if self._seconds_left(began) <= 0:
                    raise Unavailable("no answer within the bound") from error
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                self._answered_at = time.monotonic()
                self._tell(False)
                return result

    def _seconds_left(self, began: float) -> float:
        return max(began, self._answered_at) + self._wait_seconds - time.monotonic()

    def _tell(self, waiting: bool) -> None:
        if waiting is not self._waiting:
            self._waiting = waiting
            self._on_wait(waiting)
