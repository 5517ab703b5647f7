"""How many groups are asked for at once: as many as the replicas take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class NoRoom(Exception):
    """No replica had room for a group; it waits for another slot."""


class ConcurrencyLimit:
    """At most `most` groups at once. Each that finds no room makes the limit one less, each answer
    of a replica with room one more, so that an answer lets the next group go and nobody asks again
    and again."""

    def __init__(self, most: int) -> None:
        self._most = self._now = most
        self._free = asyncio.Semaphore(most)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Waits in line. A slot that ends with NoRoom was given up by `shrink`."""
        await self._free.acquire()
        try:
            yield
        except NoRoom:
            raise
        except BaseException:
            self._free.release()
            raise
        self._free.release()

    def grow(self) -> None:
        """There was room for another group."""
        if self._now < self._most:
            self._now += 1
            self._free.release()

    def shrink(self) -> bool:
        """Gives a slot up for good; returns False, with nothing done, for the only one there is."""
        if self._now == 1:
            return False
        self._now -= 1
        return True
