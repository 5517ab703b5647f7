"""Pages of other sites: what a browser sends for them changes nothing here and reads nothing.

Where no token is needed, whoever can make a browser ask is let in. A page of another site can send
forms; with a name of its own that it lets point here (DNS rebinding) it could read answers too.
"""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.access.access import Access
from gateway.errors import Foreign
from gateway.http.access import SAFE_METHODS
from tally.messages.message import Message

_OWN_SITES = frozenset({"same-origin", "none"})  # `none`: typed by hand, or a bookmark
# No stranger can register a name that ends in one of these (RFC 6761, 6762; ICANN 2024).
_PRIVATE_ENDINGS = ("localhost", "local", "internal", "test")
_PORT = re.compile(r":\d*\Z")


class OriginGate:
    """Raises Foreign for what another site's page asks for.

    `host_names` are public names of this server; behind a token every name is safe.
    """

    def __init__(self, app: ASGIApp, host_names: Sequence[str]) -> None:
        self._app = app
        self._host_names = {name.lower() for name in host_names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._check(scope)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        host = _text(headers.get(b"host", b""))
        access: Access = scope["app"].state.services.access
        if not access.is_required and not self._is_own_name(host):
            raise Foreign.at("Host", Message("host_unknown"))
        if scope["method"] not in SAFE_METHODS and not _is_own_page(headers, host):
            raise Foreign.at("Origin", Message("origin_foreign"))

    def _is_own_name(self, host: str) -> bool:
        name = _PORT.sub("", host).rstrip(".")
        if name in self._host_names or "." not in name:
            return True
        return name.rpartition(".")[2] in _PRIVATE_ENDINGS or _is_address(name)


@lru_cache(1_000)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _is_own_page(headers: dict[bytes, bytes], host: str) -> bool:
    """Programs send neither header; where a browser sends the first, proxies can't spoil it."""
    if site := headers.get(b"sec-fetch-site"):
        return _text(site) in _OWN_SITES
    origin = headers.get(b"origin")
    return origin is None or urlsplit(_text(origin)).netloc == host


def _text(value: bytes) -> str:
    return value.decode("latin-1").lower()
