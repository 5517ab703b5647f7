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
        item = await queue.get()
        while item is not _END:
            batch = [item]
            item = None
            while item is None and len(batch) < most and not queue.empty():
                item = queue.get_nowait()
                if item is not _END:
                    batch.append(item)
                    item = None
            yield batch
            if item is not _END:
                item = await queue.get()
        await reader
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def _read(stream: AsyncIterator[T], queue: asyncio.Queue) -> None:
    try:
        async for item in stream:
            await queue.put(item)
    finally:
        await queue.put(_END)
