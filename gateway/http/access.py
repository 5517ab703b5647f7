"""The token, as ASGI middleware: it covers every route, the docs and the event streams alike."""

import hmac

from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import Unauthorized
from gateway.http.bodies import turn_away


class TokenGate:
    """Answers 401 to a request without `Authorization: Bearer <token>`; lets all in without one.

    What lies under `open_prefix` needs none: the page, which then asks for the token.
    """

    def __init__(self, app: ASGIApp, token: SecretStr | None, open_prefix: str) -> None:
        self._app = app
        self._expected = token.get_secret_value().encode() if token else None
        self._open_prefix = open_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._expected is None or self._is_allowed(scope):
            await self._app(scope, receive, send)
            return
        refusal = Unauthorized(
            "a token is needed: send the header 'Authorization: Bearer <token>'",
            headers={"WWW-Authenticate": "Bearer"},
        )
        await turn_away(receive, send, refusal)

    def _is_allowed(self, scope: Scope) -> bool:
        if f"{scope['path']}/".startswith(f"{self._open_prefix}/"):
            return True
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._expected)
