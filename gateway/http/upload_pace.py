"""How fast uploads are taken: what they leave of the machine is for jobs that train beside them."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from gateway.settings import MIB
from tally.host.cores import idle_seconds

# Of all cores, however busy; of those that idle; of those that this process keeps to.
_LEAST_SHARE = 0.07
_IDLE_SHARE = 0.5
_MOST_SHARE = 0.5
_LOOK_SECONDS = 1.0
_BURST_SECONDS = 0.25
# Taking a MiB off a socket and out of a form is 2 to 5 ms; more was other requests' work.
_MOST_LOOP_SECONDS_A_BYTE = 20e-3 / MIB


class UploadPace:
    """Of all uploads together. Who took more than its part waits, and its sender with it.

    Without a rate, uploads pay in CPU time: for taking bytes in, hashing, writing and checking.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        loop_clock: Callable[[], float] = time.thread_time,
        idle_clock: Callable[[], float] = idle_seconds,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`rate`: bytes a second, which alone count then; to be used on one event loop."""
        self._rate = rate
        self._clock, self._loop_clock, self._sleep = clock, loop_clock, sleep
        self._share = _Share(clock, idle_clock)
        self._loop_seconds = loop_clock()
        self._paid_until = clock()

    async def take(self, size_bytes: int, thread_seconds: float) -> None:
        """Returns once so many bytes more are in time, which took as much CPU time of threads, and
        what the event loop has had since the bytes before."""
        if self._rate is not None:
            await self._pay(size_bytes / self._rate)
            return
        loop_seconds = self._loop_clock()
        since, self._loop_seconds = loop_seconds - self._loop_seconds, loop_seconds
        cpu_seconds = thread_seconds + min(since, size_bytes * _MOST_LOOP_SECONDS_A_BYTE)
        await self._pay(cpu_seconds / self._share.cores())

    async def check(self, cpu_seconds: float) -> None:
        """Returns once so much more CPU time of a check is in time."""
        if self._rate is None:
            await self._pay(cpu_seconds / self._share.cores())

    def note_check(self, cpu_seconds: float) -> None:
        """Lets those that come pay for a check that has ended."""
        if self._rate is None:
            self._add(cpu_seconds / self._share.cores())

    async def _pay(self, seconds: float) -> None:
        wait = self._add(seconds)
        if wait > _BURST_SECONDS:
            await self._sleep(wait)

    def _add(self, seconds: float) -> float:
        now = self._clock()
        self._paid_until = max(self._paid_until, now) + seconds
        return self._paid_until - now


class _Share:
    """How many cores uploads may take at the moment."""

    def __init__(self, clock: Callable[[], float], idle_clock: Callable[[], float]) -> None:
        self._clock, self._idle_clock = clock, idle_clock
        self._least = _LEAST_SHARE * (os.cpu_count() or 1)
        self._most = _MOST_SHARE * len(os.sched_getaffinity(0))
        self._looked_at, self._idle_seconds = clock(), idle_clock()
        self._idle_cores = 0.0

    def cores(self) -> float:
        now = self._clock()
        if (passed := now - self._looked_at) >= _LOOK_SECONDS:
            idle = self._idle_clock()
            self._idle_cores = (idle - self._idle_seconds) / passed
            self._looked_at, self._idle_seconds = now, idle
        return min(self._most, max(self._least, _IDLE_SHARE * self._idle_cores))
