"""The client that answers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

import httpx

from tally.client.call import Call
from tally.client.errors import ClientError, GatewayUnreachable, RequestRefused
from tally.client.events import Event, EventReader, Following, last_event
from tally.client.gateway_address import DEFAULT_URL, TIMEOUT_SECONDS, GatewayAddress
from tally.client.partial_file import TRIES, Checkpoint, Form, OnProgress, PartialFile
from tally.client.route import Answering
from tally.client.routes import Routes

T = TypeVar("T")


class Client(Routes, Answering):
    """A connection to one gateway, for one thread at a time.

    >>> with Client(url) as client:
    ...     for job in client.jobs():
    ...         print(job["job_name"], job["status"])
    apples completed
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        token: str | None = None,
        *,
        language: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._address = GatewayAddress(url, token, language)
        self._http = httpx.Client(**self._address.options(timeout_seconds))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    @property
    def url(self) -> str:
        return self._address.url

    def send(self, call: Call[T]) -> T:
        with self._address.translate_errors():
            response = self._http.request(call.method, call.path, **call.options())
        if not response.is_success:
            raise self._address.refusal(response)
        with self._address.translate_unreadable():
            return call.read(response)

    def watch(
        self,
        job_id: str,
        *,
        patience_seconds: float = 120.0,
        on_lost: Callable[[ClientError], None] = lambda error: None,
    ) -> Iterator[Event]:
        """Every event of a job or a comparison, each once, until it has ended.

        A lost connection is taken up where it ended, and `on_lost` hears of it. Raises
        GatewayUnreachable once nothing has answered for `patience_seconds`.
        """
        following = Following(job_id, patience_seconds)
        while True:
            try:
                for event in self._events(following):
                    yield event
                    if event.is_last:
                        return
                if (ended := last_event(self.job(job_id))) is not None:
                    yield ended
                    return
            except ClientError as error:
                following.lose(error)
                on_lost(error)
            time.sleep(following.next_pause_seconds())

    def _events(self, following: Following) -> Iterator[Event]:
        """New ones, until the connection ends."""
        reader = EventReader()
        with self._stream(following.call()) as response:
            for text in response.iter_text():
                yield from filter(following.take, reader.feed(text))

    def download(
        self,
        job_id: str,
        path: Path,
        on_progress: OnProgress | None = None,
        *,
        checkpoint: Checkpoint = "last",
        form: Form = "adapter",
    ) -> None:
        """Writes a job's last or best adapter to `path`, whole or not at all; in the form `merged`
        the base model with the adapter in its weights, which always comes from its beginning.

        What has come stands in `path`.JOB_ID.part until then; a lost connection, or a later call,
        goes on with it. `on_progress` is told the bytes had, and those in all where that is known.
        Raises OSError where it can't be written.
        """
        partial = PartialFile(path, job_id, on_progress, checkpoint, form)
        for attempt in range(1, TRIES + 1):
            try:
                self._fetch_rest(partial)
                break
            except GatewayUnreachable:
                if attempt == TRIES:
                    raise
        partial.keep()

    def _fetch_rest(self, partial: PartialFile) -> None:
        try:
            with self._stream(partial.call()) as response, partial.receiving(response) as add:
                # Pieces as they come: a size asked for would hold bytes back, and a lost
                # connection lose them.
                for piece in response.iter_raw():
                    add(piece)
        except RequestRefused as error:
            if error.status != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            with self._stream(partial.call(whole=True)) as response:
                partial.check_size(response)

    @contextmanager
    def _stream(self, call: Call[httpx.Response]) -> Iterator[httpx.Response]:
        """An answer whose body is read piece by piece."""
        with (
            self._address.translate_errors(),
            self._http.stream(call.method, call.path, **call.options()) as response,
        ):
            if not response.is_success:
                response.read()
                raise self._address.refusal(response)
            yield response
