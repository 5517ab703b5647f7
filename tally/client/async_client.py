"""The client that is awaited."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Self, TypeVar

import httpx

from tally.client.call import Call
from tally.client.errors import ClientError, GatewayUnreachable, RequestRefused
from tally.client.events import Event, EventReader, Following, last_event
from tally.client.gateway_address import DEFAULT_URL, TIMEOUT_SECONDS, GatewayAddress
from tally.client.partial_file import TRIES, Checkpoint, Form, OnProgress, PartialFile
from tally.client.route import Awaited
from tally.client.routes import Routes

T = TypeVar("T")


class AsyncClient(Routes, Awaited):
    """As `Client`, for asyncio: what answers there is awaited here, and `watch` is an asynchronous
    iterator.

    >>> async def names():
    ...     async with AsyncClient(url) as client:
    ...         return [job["job_name"] for job in await client.jobs()]
    >>> asyncio.run(names())
    ['apples']
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
        self._http = httpx.AsyncClient(**self._address.options(timeout_seconds))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    @property
    def url(self) -> str:
        return self._address.url

    async def send(self, call: Call[T]) -> T:
        with self._address.translate_errors():
            response = await self._http.request(call.method, call.path, **call.options())
        if not response.is_success:
            raise self._address.refusal(response)
        with self._address.translate_unreadable():
            return call.read(response)

    async def watch(
        self,
        job_id: str,
        *,
        patience_seconds: float = 120.0,
        on_lost: Callable[[ClientError], None] = lambda error: None,
    ) -> AsyncIterator[Event]:
        """As `Client.watch`."""
        following = Following(job_id, patience_seconds)
        while True:
            try:
                async with aclosing(self._events(following)) as events:
                    async for event in events:
                        yield event
                        if event.is_last:
                            return
                if (ended := last_event(await self.job(job_id))) is not None:
                    yield ended
                    return
            except ClientError as error:
                following.lose(error)
                on_lost(error)
            await asyncio.sleep(following.next_pause_seconds())

    async def _events(self, following: Following) -> AsyncGenerator[Event, None]:
        """New ones, until the connection ends."""
        reader = EventReader()
        async with self._stream(following.call()) as response:
            async for text in response.aiter_text():
                for event in filter(following.take, reader.feed(text)):
                    yield event

    async def download(
        self,
        job_id: str,
        path: Path,
        on_progress: OnProgress | None = None,
        *,
        checkpoint: Checkpoint = "last",
        form: Form = "adapter",
    ) -> None:
        """As `Client.download`."""
        partial = PartialFile(path, job_id, on_progress, checkpoint, form)
        for attempt in range(1, TRIES + 1):
            try:
                await self._fetch_rest(partial)
                break
            except GatewayUnreachable:
                if attempt == TRIES:
                    raise
        partial.keep()

    async def _fetch_rest(self, partial: PartialFile) -> None:
        try:
            async with self._stream(partial.call()) as response:
                with partial.receiving(response) as add:
                    async for piece in response.aiter_raw():
                        await asyncio.to_thread(add, piece)
        except RequestRefused as error:
            if error.status != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            async with self._stream(partial.call(whole=True)) as response:
                partial.check_size(response)

    @asynccontextmanager
    async def _stream(self, call: Call[httpx.Response]) -> AsyncIterator[httpx.Response]:
        """An answer whose body is read piece by piece."""
        with self._address.translate_errors():
            async with self._http.stream(call.method, call.path, **call.options()) as response:
                if not response.is_success:
                    await response.aread()
                    raise self._address.refusal(response)
                yield response
