"""Bodies that nobody reads, as ASGI middleware: after such an answer the connection closes."""

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.bodies import has_body
from gateway.http.connections import Slot
from gateway.settings import MIB

_MOST_DISCARDED_BYTES = 256 * MIB
_TO_READ_SECONDS = 1.0


class UnreadBodies:
    """Holds an early answer back while the body comes, for `seconds` at most.

    A client that is cut off while it sends never reads its answer. One whose body hasn't ended by
    then is answered and cut off, whatever route it asked for, and however slowly it goes on.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(scope):
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive)
        slot: Slot = scope["state"]["slot"]

        async def send_after_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._await_body(body, slot, MutableHeaders(scope=message))
            elif not body.ended and not message.get("more_body", False):
                # The answer is whole; the connection is closed once it may have been read.
                slot.leave()
                await send({**message, "more_body": True})
                await body.discard(_TO_READ_SECONDS)
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, body.receive, send_after_body)

    async def _await_body(self, body: "_Body", slot: Slot, headers: MutableHeaders) -> None:
        if not body.ended and "Connection" not in headers:
            slot.leave()
            await body.discard(self._seconds)
        if not body.ended:
            headers["Connection"] = "close"


class _Body:
    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        # Who waits for "100 Continue" sends nothing before, and reads the answer at once.
        self._waits = any(name == b"expect" for name, _ in scope["headers"])
        self.ended = False

    async def receive(self) -> Message:
        self._waits = False
        message = await self._receive()
        self.ended = not message.get("more_body", False)
        return message

    async def discard(self, seconds: float) -> None:
        if self._waits:
            return
        discarded_bytes = 0
        try:
            async with asyncio.timeout(seconds):
                while not self.ended and discarded_bytes < _MOST_DISCARDED_BYTES:
                    discarded_bytes += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return
