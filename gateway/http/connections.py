"""The open connections: which of them a request is served on, and which give way."""

import asyncio
from typing import NamedTuple


class Connections:
    """At most `most_served` requests are served at once. Beyond `most` connections, those on which
    none is give way to new ones, the oldest first.

    So however many are opened and held, by slow headers, unread bodies or silence, nobody is shut
    out.
    """

    def __init__(self, most: int, most_served: int) -> None:
        self._most = most
        self._most_served = most_served
        # In the order in which they began to wait.
        self._waiting: dict[asyncio.Transport, None] = {}
        self._served: set[asyncio.Transport] = set()

    def add(self, connection: asyncio.Transport) -> None:
        while self._waiting and len(self._waiting) + len(self._served) >= self._most:
            oldest = next(iter(self._waiting))
            self.remove(oldest)
            oldest.abort()
        self._waiting[connection] = None

    def serve(self, connection: asyncio.Transport) -> bool:
        """Whether there is room for its request, which then counts; not for one that is gone."""
        if connection in self._waiting and len(self._served) < self._most_served:
            del self._waiting[connection]
            self._served.add(connection)
        return connection in self._served

    def release(self, connection: asyncio.Transport) -> None:
        """Notes that nothing is done for it any more."""
        if connection in self._served:
            self._served.remove(connection)
            self._waiting[connection] = None

    def remove(self, connection: asyncio.Transport) -> None:
        self._waiting.pop(connection, None)
        self._served.discard(connection)


class Slot(NamedTuple):
    """What a request takes while it is served: `state.slot` of its scope."""

    connections: Connections
    connection: asyncio.Transport

    def take(self) -> bool:
        return self.connections.serve(self.connection)

    def leave(self) -> None:
        self.connections.release(self.connection)
