"""Checking what was uploaded, in short turns: a long check never holds up a short one."""

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.cpu_time import thread_seconds
from gateway.errors import Busy, TooLarge
from gateway.http.upload_pace import UploadPace
from gateway.settings import MIB, GatewaySettings
from gateway.turns import Turns
from tally.messages.message import Message

T = TypeVar("T")
# Work in pieces: it yields between them, each a fraction of a second, and returns what it found.
Check = Generator[None, None, T]
# About what a MiB of an upload is paid with some of: neither holds up the other for long.
_TURN_SECONDS = 0.02


@dataclass(frozen=True)
class _Turn(Generic[T]):
    """CPU seconds of a turn, and what the check returned where that was its last."""

    seconds: float
    returned: tuple[T] | None = None


class Checker:
    """Runs checks on `validation_threads`; whichever has had the least CPU time goes on first.

    Each pays for its turns, its last one through those that come after it.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        pace: UploadPace,
        clock: Callable[[], float] = thread_seconds,
    ) -> None:
        self._settings = settings
        self._pace = pace
        self._clock = clock
        self._turns = Turns(settings.validation_threads)
        self._threads = ThreadPoolExecutor(settings.validation_threads, "checking")
        self._stopping = threading.Event()

    async def run(self, check: Check[T], size_bytes: int) -> T:
        """What the check of `size_bytes` returns; raises what it raises, TooLarge or Busy."""
        loop = asyncio.get_running_loop()
        most_seconds = self._most_seconds(size_bytes)
        had_seconds = 0.0
        while had_seconds <= most_seconds:
            async with self._turns.take(had_seconds):
                self._refuse_when_stopping()
                turn = await loop.run_in_executor(self._threads, self._take_turn, check)
            if turn.returned:
                self._pace.note_check(turn.seconds)
                return turn.returned[0]
            await self._pace.check(turn.seconds)
            had_seconds += turn.seconds
        check.close()
        raise TooLarge.at("file", Message("checking_too_long", seconds=most_seconds))

    def close(self) -> None:
        self._stopping.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _most_seconds(self, size_bytes: int) -> float:
        settings = self._settings
        return settings.validation_seconds + settings.validation_seconds_per_mib * size_bytes / MIB

    def _take_turn(self, check: Check[T]) -> _Turn[T]:
        started = self._clock()
        while (seconds := self._clock() - started) < _TURN_SECONDS:
            self._refuse_when_stopping()
            try:
                next(check)
            except StopIteration as end:
                return _Turn(self._clock() - started, (end.value,))
        return _Turn(seconds)

    def _refuse_when_stopping(self) -> None:
        if self._stopping.is_set():
            raise Busy(Message("server_stopping"))
