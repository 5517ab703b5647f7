"""One connection that is kept, for one GET at a time.

Whoever reads shares the machine with what is measured, and a whole client of HTTP takes a third of
a millisecond for each answer.
"""

import asyncio
import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)
_END_OF_HEAD = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


class ReadConnection(asyncio.Protocol):
    """To an `address` as in a URL; opened at its first request, and after it was closed."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.partition(":")
        self._address = address
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._status: asyncio.Future[int] | None = None

    async def get(self, path: str) -> int:
        """The status of a whole answer. Raises OSError."""
        loop = asyncio.get_running_loop()
        if self._transport is None:
            await loop.create_connection(lambda: self, self._host, int(self._port or 80))
        assert self._transport is not None
        self._received.clear()
        self._status = loop.create_future()
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: {self._address}\r\n\r\n".encode())
        return await self._status

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._status and not self._status.done() and is_whole(self._received):
            self._status.set_result(int(self._received[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._status and not self._status.done():
            self._status.set_exception(error or ConnectionResetError("closed before its answer"))


def is_whole(answer: bytes | bytearray) -> bool:
    """Whether all of one HTTP/1.1 answer to a GET is there.

    >>> is_whole(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{")
    False
    >>> is_whole(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    True
    """
    end = answer.find(_END_OF_HEAD)
    if end < 0:
        return False
    head = bytes(answer[: end + 2])
    if length := _LENGTH.search(head):
        return len(answer) >= end + len(_END_OF_HEAD) + int(length[1])
    return not _CHUNKED.search(head) or answer.endswith(_LAST_CHUNK)
