"""GET requests at an even rate, whatever the answers take."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from bench.gateway_load.read_connection import ReadConnection

_CONNECTIONS = 64
_TIMEOUT_SECONDS = 60.0
# Each stays open; the rest answer at once.
_LIVE = "/events"


@dataclass(frozen=True)
class Answer:
    """`seconds` count from when the request was due, so that one held up by another counts too;
    the status is 0 where the connection failed."""

    path: str
    status: int
    seconds: float


def endpoints(url: str) -> list[str]:
    """Those that the gateway lists: a method and a path each."""
    answer = httpx.get(f"{url}/", timeout=_TIMEOUT_SECONDS, trust_env=False).raise_for_status()
    return list(answer.json()["endpoints"])


def reading_paths(endpoints: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Every GET of `endpoints` that ends, with `names` in the places of its parameters."""
    paths = (one.removeprefix("GET ") for one in endpoints if one.startswith("GET "))
    return [path.format_map(names) for path in paths if not path.endswith(_LIVE)]


def read_evenly(url: str, paths: Sequence[str], per_second: float, seconds: float) -> list[Answer]:
    """The answers to `paths` in turn, over `seconds`."""
    started = time.perf_counter() + 0.1
    due = (
        (paths[number % len(paths)], started + number / per_second)
        for number in range(round(per_second * seconds))
    )
    return asyncio.run(_read_all(urlsplit(url).netloc, due))


async def _read_all(address: str, due: Iterator[tuple[str, float]]) -> list[Answer]:
    answers = await asyncio.gather(*(_read(address, due) for _ in range(_CONNECTIONS)))
    return list(itertools.chain.from_iterable(answers))


async def _read(address: str, due: Iterator[tuple[str, float]]) -> list[Answer]:
    connection = ReadConnection(address)
    answers = []
    for path, due_at in due:
        await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
        status = await _ask(connection, path)
        answers.append(Answer(path, status, time.perf_counter() - due_at))
    connection.close()
    return answers


async def _ask(connection: ReadConnection, path: str) -> int:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await connection.get(path)
    except (OSError, TimeoutError):
        connection.close()  # the next request opens it anew
        return 0
