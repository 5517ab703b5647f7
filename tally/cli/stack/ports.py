"""Ports of this machine for services that are started a moment later, and started again."""

import random
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

from tally.cli.errors import StackFailed

_HOST = "127.0.0.1"
_LOWEST = 10_000
_HIGHEST = 65_535
_HANDED_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUALLY_HANDED_OUT = (32_768, _HIGHEST)


def free_ports(number: int) -> list[int]:
    """Ports that were free at the same moment.

    None is one that the system hands out by itself: a connection of any process could have taken
    it before its service starts, or while it starts again.
    """
    with ExitStack() as held:
        return [_hold_any(held) for _ in range(number)]


def free_port() -> int:
    """One as `free_ports` gives them."""
    [port] = free_ports(1)
    return port


def _hold_any(held: ExitStack) -> int:
    """Raises StackFailed where none can be had."""
    for port in random.sample(_candidates(), k=1000):
        opened = held.enter_context(socket.socket())
        with suppress(OSError):
            opened.bind((_HOST, port))
            return port
    raise StackFailed("No free port was found on this machine.")


def _candidates() -> list[int]:
    lowest, highest = _handed_out()
    return [port for port in range(_LOWEST, _HIGHEST + 1) if not lowest <= port <= highest]


def _handed_out() -> tuple[int, int]:
    """The first and the last port of those that the system hands out."""
    try:
        lowest, highest = map(int, _HANDED_OUT.read_text().split())
    except OSError:
        return _USUALLY_HANDED_OUT
    # Where it hands out nearly all, a port of these is as good as any.
    return (lowest, highest) if highest - lowest < 50_000 else _USUALLY_HANDED_OUT


def check_port_is_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"Port {port} of {host} can't be had; choose another with --port."
            raise StackFailed(message) from error
