"""Batches of a stream: in order, whole, and no longer than they are wanted."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.jobs.batching import batches


async def numbers(count: int, error: Exception | None = None) -> AsyncIterator[int]:
    for number in range(count):
        yield number
    if error:
        raise error


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9])
async def test_batches_hold_everything_in_order(count):
    got = [batch async for batch in batches(numbers(count), most=3)]
    assert [number for batch in got for number in batch] == list(range(count))
    assert all(1 <= len(batch) <= 3 for batch in got)


async def test_an_error_of_the_stream_comes_after_its_items():
    got = []

    async def read_all() -> None:
        async for batch in batches(numbers(5, ValueError("broken")), most=3):
            got.extend(batch)

    with pytest.raises(ValueError, match="broken"):
        await read_all()
    assert got == list(range(5))


async def test_who_stops_early_is_not_held_by_a_full_queue():
    stream = batches(numbers(1_000), most=2)
    await anext(stream)
    await asyncio.sleep(0.01)  # the reader fills the queue
    await asyncio.wait_for(stream.aclose(), 10)
