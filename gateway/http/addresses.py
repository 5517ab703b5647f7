"""Where a request comes from, as limits count it."""

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

# Who has one address of IPv6 has all of its network.
_NETWORK_BITS = 64


def sender_address(scope: Scope) -> str:
    """An address of IPv4, a network of IPv6; empty where none is known."""
    return _network(scope["client"][0]) if scope["client"] else ""


@lru_cache(1_000)
def _network(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address.packed, _NETWORK_BITS), strict=False))
