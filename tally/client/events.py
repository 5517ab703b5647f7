"""A job's events, as the gateway sends them (server-sent events), across lost connections."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tally.client.answers import JobPublic
from tally.client.call import Call
from tally.client.errors import ClientError, RequestRefused

# Longer than a gateway stays silent while a job is at work; a dead connection ends here.
_SILENCE_SECONDS = 90.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One entry of a job's log; `seq` counts from 1 and is 0 where the server gave none."""

    kind: str
    seq: int
    data: Mapping[str, Any]

    @property
    def is_last(self) -> bool:
        return self.kind == _ENDED


class EventReader:
    """Text of a text/event-stream, piece by piece → events.

    Lines end at line feeds alone: what a model said may hold every other separator of lines.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._fields: dict[str, str] = {}

    def feed(self, text: str) -> Iterator[Event]:
        """The events that are whole by now; comments are left out."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if (event := self._take(line.removesuffix("\r"))) is not None:
                yield event

    def _take(self, line: str) -> Event | None:
        if not line:
            fields, self._fields = self._fields, {}
            return _event(fields) if "data" in fields else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and name in self._fields:
            value = f"{self._fields[name]}\n{value}"
        self._fields[name] = value
        return None


def parse_events(pieces: Iterable[str]) -> Iterator[Event]:
    """Of a whole stream; one that was cut off is left out."""
    reader = EventReader()
    for piece in pieces:
        yield from reader.feed(piece)


def _event(fields: Mapping[str, str]) -> Event:
    data = json.loads(fields["data"])
    seq = fields.get("id", "")
    return Event(
        kind=fields.get("event", "message"),
        seq=int(seq) if seq.isdigit() else 0,
        data=data if isinstance(data, dict) else {"value": data},
    )


class Following:
    """What is known of a job's events between two connections: which came last, and how long
    nothing has answered."""

    def __init__(self, job_id: str, patience_seconds: float) -> None:
        self._job_id = job_id
        self._patience_seconds = patience_seconds
        self._last_seq = 0
        self._lost_since: float | None = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def call(self) -> Call[httpx.Response]:
        """A stream of what is still to come."""
        last = str(self._last_seq) if self._last_seq else None
        return Call(
            method="GET",
            route="/jobs/{job_id}/events",
            ids={"job_id": self._job_id},
            headers={"Accept": "text/event-stream", "Last-Event-ID": last},
            read=lambda response: response,
            timeout_seconds=_SILENCE_SECONDS,
        )

    def take(self, event: Event) -> bool:
        """Whether it is new; each is taken once."""
        self._lost_since, self._pause_seconds = None, _FIRST_PAUSE_SECONDS
        if event.seq and event.seq <= self._last_seq:
            return False
        self._last_seq = max(self._last_seq, event.seq)
        return True

    def lose(self, error: ClientError) -> None:
        """Raises it where it would be so again, or nothing has answered for too long."""
        now = time.monotonic()
        self._lost_since = now if self._lost_since is None else self._lost_since
        for_good = isinstance(error, RequestRefused) and error.status < 500
        if for_good or now - self._lost_since >= self._patience_seconds:
            raise error

    def next_pause_seconds(self) -> float:
        """Before it is tried again; each is longer than the one before."""
        pause = self._pause_seconds
        self._pause_seconds = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return pause


def last_event(job: JobPublic) -> Event | None:
    """What a stream should have ended with, for a job that is over."""
    if job["status"] == "training":
        return None
    return Event(kind=_ENDED, seq=0, data=job)
