"""A job's events, as the gateway sends them (server-sent events), across lost connections."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tally.cli.client.api_client import ApiClient, Json, path_part
from tally.cli.errors import GatewayUnreachable, RequestRefused

# Longer than a gateway stays silent while a job is at work; a dead connection ends here.
_SILENCE_SECONDS = 90.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Event:
    """One entry of a job's log; `seq` counts from 1 and is 0 where the server gave none."""

    kind: str
    seq: int
    data: Json


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """Lines of a text/event-stream → events; comments and cut-off events are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield _event(fields)
            fields = {}
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value


def _event(fields: dict[str, str]) -> Event:
    data = json.loads(fields["data"])
    seq = fields.get("id", "")
    return Event(
        kind=fields.get("event", "message"),
        seq=int(seq) if seq.isdigit() else 0,
        data=data if isinstance(data, dict) else {"value": data},
    )


def follow(
    client: ApiClient,
    job_id: str,
    *,
    patience_seconds: float = 120.0,
    on_lost: Callable[[str], None] = lambda reason: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """Every event of a job, each once, until it has ended; `on_lost` hears of lost connections.

    Raises GatewayUnreachable once nothing has answered for `patience_seconds`.
    """
    last_seq = 0
    pause = _FIRST_PAUSE_SECONDS
    lost_since: float | None = None
    while True:
        try:
            for event in _connection(client, job_id, last_seq):
                pause, lost_since = _FIRST_PAUSE_SECONDS, None
                if event.seq and event.seq <= last_seq:
                    continue
                last_seq = max(last_seq, event.seq)
                yield event
                if event.kind == "ended":
                    return
            if (ended := _final_event(client, job_id)) is not None:
                yield ended
                return
        except (GatewayUnreachable, RequestRefused) as error:
            lost_since = time.monotonic() if lost_since is None else lost_since
            _give_up_if_hopeless(error, time.monotonic() - lost_since, patience_seconds)
            on_lost(str(error))
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _connection(client: ApiClient, job_id: str, last_seq: int) -> Iterator[Event]:
    headers = {"Accept": "text/event-stream"}
    if last_seq:
        headers["Last-Event-ID"] = str(last_seq)
    path = f"/jobs/{path_part(job_id)}/events"
    with client.stream(path, headers, timeout_seconds=_SILENCE_SECONDS) as response:
        yield from parse_events(response.iter_lines())


def _final_event(client: ApiClient, job_id: str) -> Event | None:
    """What the stream should have ended with, for a job that is over."""
    job = client.job(job_id)
    if job["status"] == "training":
        return None
    return Event(kind="ended", seq=0, data=job)


def _give_up_if_hopeless(error: Exception, lost_seconds: float, patience_seconds: float) -> None:
    refused_for_good = isinstance(error, RequestRefused) and error.status < 500
    if refused_for_good or lost_seconds >= patience_seconds:
        raise error
