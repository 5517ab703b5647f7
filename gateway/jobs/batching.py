"""A stream in batches: what has come while the batch before was dealt with."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")


class _End:
    """What follows the last item."""


async def batches(stream: AsyncIterator[T], most: int = 200) -> AsyncIterator[list[T]]:
    """Yields lists of 1 to `most` items in order; raises what the stream raises, after them."""
    queue: asyncio.Queue[T | _End] = asyncio.Queue(most)
    reader = asyncio.create_task(_read(stream, queue))
    try:
        ended = False
        while not ended:
            items = [await queue.get()]
            while len(items) < most and not queue.empty():
                items.append(queue.get_nowait())
            ended = isinstance(items[-1], _End)
            if batch := [item for item in items if not isinstance(item, _End)]:
                yield batch
        await reader
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def _read(stream: AsyncIterator[T], queue: asyncio.Queue[T | _End]) -> None:
    try:
        async for item in stream:
            await queue.put(item)
    except Exception:  # not a cancellation: then nobody makes room for the end
        await queue.put(_End())
        raise
    await queue.put(_End())
