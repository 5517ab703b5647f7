"""Work on many items in threads, so that calls of others and health are answered meanwhile."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from tally.rpc.batches import batches

_CHUNK, _CHUNK_CHARACTERS = 500, 20_000

Item = TypeVar("Item")
Result = TypeVar("Result")


async def map_off_loop(
    work: Callable[[Item], Result], items: Sequence[Item], *, size: Callable[[Item], int]
) -> list[Result]:
    """`work` of each item, in order; `size` is its characters.

    A chunk at a time: a call whose client is gone ends soon.
    """
    results: list[Result] = []
    for chunk in batches(items, most=_CHUNK, most_in_all=_CHUNK_CHARACTERS, size=size):
        results += await asyncio.to_thread(lambda chunk: [work(item) for item in chunk], chunk)
    return results
