"""uvicorn's HTTP/1.1 protocol, and what it lacks: deadlines, and errors in the API's own shape."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.errors import error_body
from gateway.http.connections import Connections, Slot
from gateway.http.guard import SECURITY_HEADERS
from gateway.settings import GatewaySettings
from tally.messages.languages import Language
from tally.messages.message import Message


def protocol_class(settings: GatewaySettings) -> type[H11Protocol]:
    """A protocol whose connections never wait for long, in either direction."""
    connections = Connections(settings.max_connections, settings.max_requests)

    class GatewayProtocol(H11Protocol):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._inner, self.app = self.app, self._serve

        async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"]["slot"] = slot = Slot(connections, self.transport)
            try:
                await self._inner(scope, receive, send)
            finally:
                slot.leave()

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            connections.add(transport)
            self._headers = _Deadline(settings.header_seconds, transport.close)
            self._writing = _Deadline(settings.send_seconds, transport.abort)
            self._headers.start()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is h11.IDLE:
                self._headers.start()
            else:
                self._headers.stop()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._writing.start()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._writing.stop()

        def connection_lost(self, exc: Exception | None) -> None:
            self._headers.stop()
            self._writing.stop()
            connections.remove(self.transport)
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            try:
                self.transport.write(_bad_request(self.conn))
            except h11.LocalProtocolError:  # an answer is on its way already
                self.transport.abort()
            self.transport.close()

    return GatewayProtocol


class _Deadline:
    """Acts `seconds` after its start, unless it is stopped before."""

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds = seconds
        self._act = act
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._act)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _bad_request(connection: h11.Connection) -> bytes:
    """In English: there are no headers that say what its sender reads."""
    body = json.dumps(error_body(Message("no_http"))).encode()
    headers = {
        **SECURITY_HEADERS,
        "Content-Type": "application/json",
        "Content-Language": Language.ENGLISH.value,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    events = (
        h11.Response(status_code=400, headers=list(headers.items()), reason=b"Bad Request"),
        h11.Data(data=body),
        h11.EndOfMessage(),
    )
    return b"".join(connection.send(event) or b"" for event in events)
