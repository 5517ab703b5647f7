"""A fake gateway, and both clients of it."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import TypeVar

import pytest

from tally.client import AsyncClient, Client, Event, events
from tests.fakes.gateway import FakeGateway, running_gateway

T = TypeVar("T")
AnyClient = Client | AsyncClient


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    monkeypatch.setattr(events, "_FIRST_PAUSE_SECONDS", 0.01)
    with running_gateway(FakeGateway()) as fake:
        yield fake


@pytest.fixture(params=[Client, AsyncClient])
def kind(request: pytest.FixtureRequest) -> type[AnyClient]:
    """The client that answers, then the one that is awaited."""
    kind: type[AnyClient] = request.param
    return kind


@pytest.fixture
async def client(kind: type[AnyClient], gateway: FakeGateway) -> AsyncIterator[AnyClient]:
    opened = kind(gateway.url)
    yield opened
    await answer(opened.close())


async def answer(given: Awaitable[T] | T) -> T:
    """What either of them answers."""
    if inspect.isawaitable(given):
        awaited: T = await given
        return awaited
    return given


async def all_events(client: AnyClient, job_id: str, **options: object) -> list[Event]:
    stream = client.watch(job_id, **options)
    if isinstance(stream, Iterator):
        return list(stream)
    return [event async for event in stream]
