"""Clients of a job's event stream that are gone without a word."""

import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.gateway_load.plan import Plan

_TIMEOUT_SECONDS = 60.0
_PATIENCE_SECONDS = 300.0
_PAUSE_SECONDS = 0.05
# How long nobody watches between two rounds.
_AWAY_SECONDS = 0.5
_READ_SECONDS = 0.5
_BLOCK_BYTES = 64 * 1024
# Closed with a reset, and with no word of what had come meanwhile.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Round:
    """How many streams were had at once and whether one more was refused; `seconds` until all of
    them were, of which most is the slots of the round before that were not free yet."""

    watching: int
    refused_beyond: bool
    seconds: float


def watch_in_rounds(url: str, job_id: str, plan: Plan) -> list[Round]:
    """Those of `plan`, one after another, over as long as they take together."""
    rounds = []
    for _ in range(plan.rounds):
        due = time.monotonic() + plan.round_seconds
        rounds.append(_watch_and_vanish(url, job_id, plan.watchers, due - _AWAY_SECONDS))
        time.sleep(max(0.0, due - time.monotonic()))
    return rounds


def _watch_and_vanish(url: str, job_id: str, watchers: int, until: float) -> Round:
    """Opens as many streams as there are slots, reads them until then, and leaves them all."""
    started = time.monotonic()
    open_streams: list[socket.socket] = []
    try:
        while len(open_streams) < watchers and time.monotonic() < started + _PATIENCE_SECONDS:
            if stream := _open_stream(url, job_id):
                open_streams.append(stream)
            else:
                time.sleep(_PAUSE_SECONDS)
        seconds = time.monotonic() - started
        one_more = _open_stream(url, job_id)
        if one_more:
            one_more.close()
        _read(open_streams, until)
        return Round(len(open_streams), one_more is None, seconds)
    finally:
        _vanish(open_streams)


def _open_stream(url: str, job_id: str) -> socket.socket | None:
    """None where the gateway has no slot. Raises RuntimeError for any other refusal."""
    address = urlsplit(url)
    stream = socket.create_connection((address.hostname, address.port), _TIMEOUT_SECONDS)
    path = f"/jobs/{job_id}/events"
    stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    first = stream.recv(4_096).split(b"\r\n")[0]
    if first == b"HTTP/1.1 200 OK":
        return stream
    stream.close()
    if first.startswith(b"HTTP/1.1 503"):
        return None
    raise RuntimeError(f"an event stream was answered {first.decode(errors='replace')}")


def _read(streams: Sequence[socket.socket], until: float) -> None:
    """What comes until then, twice a second: whoever reads shares the machine."""
    for stream in streams:
        stream.setblocking(False)
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _READ_SECONDS))
        for stream in streams:
            with suppress(BlockingIOError):
                stream.recv(_BLOCK_BYTES)


def _vanish(streams: list[socket.socket]) -> None:
    """One half by closing, the other by a reset."""
    for number, stream in enumerate(streams):
        if number % 2:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        stream.close()
