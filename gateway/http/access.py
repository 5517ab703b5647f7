"""Who may ask, as ASGI middleware: it covers every route, the docs and event streams alike."""

import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.access.access import Access
from gateway.access.callers import ANYONE, Caller
from gateway.access.rate import Rate
from gateway.errors import ApiError, Forbidden, TooMany, Unauthorized, retry_after
from gateway.http.addresses import sender_address
from gateway.settings import GatewaySettings
from tally.messages.message import Message

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ASK = {"WWW-Authenticate": "Bearer"}
_MOST_LOGGED_CHARACTERS = 200
_log = logging.getLogger(__name__)


class TokenGate:
    """Lets a request in with `state.caller`, or raises Unauthorized, Forbidden or TooMany.

    What lies under `open_prefix` needs no token: the page, which then asks for one. A right token
    is never held up by the wrong ones that others send from its address.
    """

    def __init__(self, app: ASGIApp, settings: GatewaySettings, open_prefix: str) -> None:
        self._app = app
        self._open_prefix = open_prefix
        self._failures = Rate(settings.max_failed_attempts, settings.failed_attempt_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        scope["state"]["caller"] = self._caller(scope)
        await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return f"{path}/".startswith(f"{self._open_prefix}/")

    def _caller(self, scope: Scope) -> Caller:
        """Raises Unauthorized, TooMany or Forbidden."""
        access: Access = scope["app"].state.services.access
        if not access.is_required:
            return ANYONE
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if not given:
            raise Unauthorized(Message("token_needed"), headers=_ASK)
        caller = access.find(_token(given[0])) if len(given) == 1 else None
        if caller is None:
            raise self._refusal(scope)
        if not caller.may_write and scope["method"] not in SAFE_METHODS:
            raise Forbidden.at("Authorization", Message("token_reads_only"))
        return caller

    def _refusal(self, scope: Scope) -> ApiError:
        address = sender_address(scope)
        wait_seconds = self._failures.seconds_to_wait(address)
        if wait_seconds:
            message = Message("too_many_wrong_tokens", seconds=wait_seconds)
            return TooMany(message, headers=retry_after(wait_seconds))
        asked = f"{scope['method']} {scope['path']}"[:_MOST_LOGGED_CHARACTERS]
        _log.warning("a wrong token from %s for %s", address, ascii(asked))
        return Unauthorized(Message("token_unknown"), headers=_ASK)


def _token(header: bytes) -> str:
    """What follows `Bearer`; nothing of another scheme."""
    scheme, _, token = header.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
