"""Limits on request bodies, as ASGI middleware: size (413) and the least speed (408)."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from gateway.errors import TooLarge, TooSlow
from gateway.settings import MIB, GatewaySettings
from tally.messages.message import Message

MAX_PICTURE_BYTES = 16 * MIB
_FILE_PATHS = ("/upload-data", "/evaluations", "/predictions")
_PREDICT_PATH = "/predict"
_CHAT_PATH = "/v1/chat/completions"
_FORM_OVERHEAD_BYTES = 64 * 1024


class BodyLimits:
    """Counts and clocks what a client sends, and refuses it in words that it can still read."""

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(scope):
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._limit(scope), self._settings)
        body.check_declared(scope)
        await self._app(scope, body.receive, send)

    def _limit(self, scope: Scope) -> int:
        path = scope["path"].rstrip("/")
        if path in _FILE_PATHS:
            return self._settings.max_upload_bytes + _FORM_OVERHEAD_BYTES
        if path == _PREDICT_PATH:
            return MAX_PICTURE_BYTES + _FORM_OVERHEAD_BYTES
        if path == _CHAT_PATH:  # a picture in base64 beside the texts
            return MAX_PICTURE_BYTES * 4 // 3 + self._settings.max_json_bytes
        return self._settings.max_json_bytes


def has_body(scope: Scope) -> bool:
    """Whether one is announced; without, HTTP/1.1 has none."""
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


class _Body:
    def __init__(self, receive: Receive, limit_bytes: int, settings: GatewaySettings) -> None:
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._settings = settings
        self._received_bytes = 0
        self._waited_seconds = 0.0
        self._ended = False

    def check_declared(self, scope: Scope) -> None:
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if lengths and lengths[0].isdigit() and int(lengths[0]) > self._limit_bytes:
            raise self._too_large()

    async def receive(self) -> AsgiMessage:
        message = await self._next()
        if self._received_bytes > self._limit_bytes:
            raise self._too_large()
        return message

    def _too_large(self) -> TooLarge:
        return TooLarge.at("body", Message("too_many_bytes", most=self._limit_bytes))

    async def _next(self) -> AsgiMessage:
        if self._ended:
            return await self._receive()
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._seconds_left()):
                message = await self._receive()
        except TimeoutError:
            self._ended = True
            close = {"Connection": "close"}
            raise TooSlow.at("body", Message("body_too_slow"), close) from None
        self._waited_seconds += asyncio.get_running_loop().time() - started
        self._received_bytes += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        return message

    def _seconds_left(self) -> float:
        """The client may fall behind the slowest speed by the grace, and no further.

        Only the time spent waiting for it counts: a busy server is not its fault.
        """
        earned = self._received_bytes / self._settings.min_body_rate
        return max(0.0, self._settings.body_grace_seconds + earned - self._waited_seconds)
