"""How many groups are asked for at once: as many as the replicas take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TurnedAway(Exception):
    """No replica had room for a group; it gets in line again."""


class Turns:
    """At most `most` groups at once. Each that is turned away makes them one fewer, each answer of
    a replica with room one more, so that an answer lets the next group go and nobody asks again
    and again."""

    def __init__(self, most: int) -> None:
        self._most = self._now = most
        self._free = asyncio.Semaphore(most)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits in line. A turn that ends with TurnedAway was given up by `give_up`."""
        await self._free.acquire()
        try:
            yield
        except TurnedAway:
            raise
        except BaseException:
            self._free.release()
            raise
        self._free.release()

    def one_more(self) -> None:
        """There was room for another group."""
        if self._now < self._most:
            self._now += 1
            self._free.release()

    def give_up(self) -> bool:
        """Gives a turn up for good, unless it is the only one there is."""
        if self._now == 1:
            return False
        self._now -= 1
        return True
