"""A span for each request, as the outermost ASGI middleware: a trace of its own begins with it."""

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.request_log import QUIET_PATHS
from gateway.metrics import METHODS
from tally.traces.spans import TRACEPARENT, begin_span

if TYPE_CHECKING:
    from tally.traces.recorder import OpenSpan

_ANY_METHOD = "HTTP"


class RequestSpans:
    """Names requests by their route, and keeps the address and the headers to itself, which may
    hold a token.

    A caller's own trace is linked to, never joined: whoever reaches the gateway must not decide
    what is sampled, nor write into a trace of another.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET_PATHS:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else _ANY_METHOD
        span = begin_span(
            method,
            "server",
            parent="",
            link=Headers(scope=scope).get(TRACEPARENT, ""),
            attributes={"http.request.method": method},
        )
        if span is None:
            await self._app(scope, receive, send)
            return
        span.make_current()
        try:
            await self._app(scope, receive, _note_status(span, send))
        finally:
            # Only the router, further in, knows it.
            if route := getattr(scope.get("route"), "path", ""):
                span.rename(f"{method} {route}")
                span.note({"http.route": route})
            span.note_concerns()
            span.end()


def _note_status(span: "OpenSpan", send: Send) -> Send:
    async def noting_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            span.note({"http.response.status_code": status})
            if status >= 500:
                span.fail(str(status))
        await send(message)

    return noting_send
