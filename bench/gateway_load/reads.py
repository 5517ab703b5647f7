"""GET requests at an even rate, whatever the answers take."""

import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import httpx

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
    address = urlsplit(url).netloc
    numbers, lock = iter(range(round(per_second * seconds))), threading.Lock()
    started = time.perf_counter() + 0.1

    def due() -> Iterator[tuple[str, float]]:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            yield paths[number % len(paths)], started + number / per_second

    with ThreadPoolExecutor(_CONNECTIONS) as readers:
        runs = [readers.submit(_read, address, due()) for _ in range(_CONNECTIONS)]
        return list(itertools.chain.from_iterable(run.result() for run in runs))


def _read(address: str, due: Iterator[tuple[str, float]]) -> list[Answer]:
    connection = HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
    answers = []
    for path, due_at in due:
        time.sleep(max(0.0, due_at - time.perf_counter()))
        status = _ask(connection, path)
        answers.append(Answer(path, status, time.perf_counter() - due_at))
    connection.close()
    return answers


def _ask(connection: HTTPConnection, path: str) -> int:
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, HTTPException):
        connection.close()  # the next request opens it anew
        return 0
