"""Whatever goes wrong further in, the client gets a sentence: ASGI middleware."""

import asyncio
import logging

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from gateway.errors import RETRY_AFTER, ApiError, Busy
from gateway.http.http_errors import refusal_response, unexpected_failure
from tally.messages.message import Message

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    # What is no page of ours loads and runs nothing, wherever it is shown.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_LAST = {**RETRY_AFTER, "Connection": "close"}
_log = logging.getLogger(__name__)


class Guard:
    """Answers what is refused before any handler; an unforeseen exception is a 500 whose id is in
    the log beside the traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noting_send(message: AsgiMessage) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message))
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except ClientDisconnect:
            _log.info("a client left before its request was complete")
        except ApiError as error:
            if started:
                _log.info("a request was cut off: %s", error)
            else:
                response = refusal_response(scope, error)
                await response(scope, receive, noting_send)
        except asyncio.CancelledError:
            # The server ends, and has waited for as long as it does; this is its last word.
            if not started:
                stopping = Busy(Message("server_stopping"), headers=_LAST)
                response = refusal_response(scope, stopping)
                await response(scope, receive, noting_send)
        except Exception as error:
            response = unexpected_failure(Headers(scope=scope), error)
            if not started:
                await response(scope, receive, noting_send)


def _add_headers(headers: MutableHeaders) -> None:
    """No answer is taken for another type than it says, nor shown within another site's page."""
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
