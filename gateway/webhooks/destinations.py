"""Where a webhook may go: never to this machine or its network, unless the operator allows it.

Names are looked up where the connection is made, and the address that was judged is the one that is
connected to: a name that answers otherwise the next time (DNS rebinding) changes nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpcore

from tally.messages.message import Message

_PORTS = {"http": 80, "https": 443}


class BadDestination(Exception):
    """What is wrong with an address, which is not named."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


def check_url(url: str, *, may_be_private: bool) -> None:
    """Raises BadDestination for what is no URL of HTTP, or names an address that is not public."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise BadDestination(Message("callback_no_url")) from None
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in _PORTS or not host or not plain:
        raise BadDestination(Message("callback_no_url"))
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadDestination(Message("callback_with_user"))
    if not may_be_private and _is_address(host) and not is_public(host):
        raise BadDestination(Message("callback_private"))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether it is somebody's on the Internet, and one host's.

    >>> [is_public(one) for one in ("93.184.216.34", "10.0.0.1", "::ffff:127.0.0.1", "169.254.1.1")]
    [True, False, False, False]
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    if inner is not None:
        parsed = inner
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


class JudgedBackend(httpcore.AsyncNetworkBackend):
    """Connects to nothing but public addresses, or to any where they `may_be_private`."""

    def __init__(self, *, may_be_private: bool) -> None:
        self._may_be_private = may_be_private
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises BadDestination where any of the name's addresses is not public."""
        address = await self._judge(host, port)
        return await self._backend.connect_tcp(
            address, port, timeout, local_address, socket_options
        )

    async def _judge(self, host: str, port: int) -> str:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(where[0]) for *_, where in found]
        if not self._may_be_private and not all(map(is_public, addresses)):
            raise BadDestination(Message("callback_private"))
        return addresses[0]
