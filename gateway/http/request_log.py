"""A line of the log for each request, and its count, as an ASGI middleware: the outermost one but
for that of spans."""

import logging
import re
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.access.callers import ANYONE, Caller
from gateway.metrics import OTHER, GatewayMetrics
from tally.logs.fields import add_log_fields

_REQUEST_ID = "X-Request-ID"
_ASKED_ID = _REQUEST_ID.lower().encode()
_USABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_MOST_PATH_CHARACTERS = 200
# Probes ask every few seconds.
QUIET_PATHS = frozenset({"/healthz"})
_log = logging.getLogger(__name__)


class RequestLog:
    """Says of each request once it has been answered who asked for what, and answers the id that
    all its lines have.

    Neither its query nor a header is logged, since they may hold a token.
    """

    def __init__(self, app: ASGIApp, metrics: GatewayMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(_request_id(scope), send)
        add_log_fields(request_id=answer.request_id)
        try:
            await self._app(scope, receive, answer.send)
        finally:
            answer.log(scope)
            answer.count(scope, self._metrics)


class _Answer:
    """What is sent for one request."""

    def __init__(self, request_id: str, send: Send) -> None:
        self.request_id = request_id
        self._send = send
        self._started_at = time.monotonic()
        self._status = 0
        self._size_bytes = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            MutableHeaders(scope=message)[_REQUEST_ID] = self.request_id
        self._size_bytes += len(message.get("body", b""))
        await self._send(message)

    def log(self, scope: Scope) -> None:
        """A status of 0: the client left before there was an answer."""
        path = scope["path"]
        caller: Caller = scope["state"].get("caller", ANYONE)
        figures = {
            "method": scope["method"],
            "path": path[:_MOST_PATH_CHARACTERS],
            "status": self._status,
            "milliseconds": round(1000 * self._seconds, 1),
            "size_bytes": self._size_bytes,
            "token": caller.token,
            "owner": caller.owner,
        }
        message = "%(method)s %(path)s %(status)d, %(milliseconds).1f ms, %(size_bytes)d bytes"
        if caller.token:
            message += ", token %(token)s of %(owner)s"
        quiet = path in QUIET_PATHS and self._status == 200
        _log.log(logging.DEBUG if quiet else logging.INFO, message, figures, extra=figures)

    def count(self, scope: Scope, metrics: GatewayMetrics) -> None:
        """By the route as it is stated, never by the path, of which there is no end."""
        route = getattr(scope.get("route"), "path", OTHER)
        refusal = scope["state"].get("refusal")
        metrics.note_request(scope["method"], route, self._status, self._seconds, refusal)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started_at


def _request_id(scope: Scope) -> str:
    """The caller's, or that of a proxy, where it is one; else a new one."""
    given = [value for name, value in scope["headers"] if name == _ASKED_ID]
    if len(given) == 1 and _USABLE_ID.fullmatch(given[0]):
        return str(given[0].decode())
    return secrets.token_hex(8)
