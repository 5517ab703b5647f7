"""How fast uploads are taken: what they leave of the machine is for jobs that train beside them."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

_BYTES_A_SECOND_OF_A_CORE = 24 * 1024**2
_BURST_SECONDS = 0.25


class UploadPace:
    """Of all uploads together. Who was taken from beyond the rate waits, and its sender with it."""

    def __init__(
        self,
        rate: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`rate`: bytes a second; None goes by the cores that this process may use."""
        self._rate = rate or _BYTES_A_SECOND_OF_A_CORE * len(os.sched_getaffinity(0))
        self._clock = clock
        self._sleep = sleep
        self._paid_until = clock()

    async def take(self, size_bytes: int) -> None:
        """Returns once so many bytes more are in time."""
        now = self._clock()
        self._paid_until = max(self._paid_until, now) + size_bytes / self._rate
        if self._paid_until > now + _BURST_SECONDS:
            await self._sleep(self._paid_until - now)
