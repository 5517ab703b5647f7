"""A stream in batches: what has come while the batch before was dealt with."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")
_END = object()


async def batches(stream: AsyncIterator[T], most: int = 200) -> AsyncIterator[list[T]]:
    """Yields lists of 1 to `most` items in order; raises what the stream raises, after them."""
    queue: asyncio.Queue = asyncio.Queue(most)
    reader = asyncio.create_task(_read(stream, queue))
    try:
        ended = False
        while not ended:
            batch = [await queue.get()]
            while len(batch) < most and not queue.empty():
                batch.append(queue.get_nowait())
            ended = batch[-1] is _END
            if ended:
                batch.pop()
            if batch:
                yield batch
        await reader
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def _read(stream: AsyncIterator[T], queue: asyncio.Queue) -> None:
    try:
        async for item in stream:
            await queue.put(item)
    except Exception:  # not a cancellation: then nobody makes room for the end
        await queue.put(_END)
        raise
    await queue.put(_END)
