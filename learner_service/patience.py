"""Waiting for a service that is away: bounded, and never silent."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rpc.errors import DeadlineExceeded, ResourceExhausted, Unavailable

T = TypeVar("T")
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0


class Patience:
    """Repeats a call while its service is away, at most `wait_seconds` on end.

    `on_wait(True)` is called when waiting begins, `on_wait(False)` when it is over.
    """

    def __init__(self, wait_seconds: float, on_wait: Callable[[bool], None]) -> None:
        self._wait_seconds = wait_seconds
        self._on_wait = on_wait

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Raises what `attempt` raises; Unavailable only after `wait_seconds` of it."""
        started, pause, waiting = time.monotonic(), _FIRST_PAUSE_SECONDS, False
        while True:
            try:
                result = await attempt()
            except (Unavailable, ResourceExhausted, DeadlineExceeded):
                if time.monotonic() - started > self._wait_seconds:
                    raise
                if not waiting:
                    self._on_wait(True)
                    waiting = True
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                if waiting:
                    self._on_wait(False)
                return result
