"""Items in runs that fit a contract's limits."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def batches(
    items: Sequence[Item], *, most: int, most_in_all: int, size: Callable[[Item], int]
) -> Iterator[Sequence[Item]]:
    """Runs of items in order, each of at most `most` items and of at most `most_in_all` in size.

    An item that is larger than that has a run of its own.

    >>> list(batches(["a", "bb", "c", "ddd"], most=2, most_in_all=3, size=len))
    [['a', 'bb'], ['c'], ['ddd']]
    """
    batch: list[Item] = []
    in_all = 0
    for item in items:
        item_size = size(item)
        if batch and (len(batch) == most or in_all + item_size > most_in_all):
            yield batch
            batch, in_all = [], 0
        batch.append(item)
        in_all += item_size
    if batch:
        yield batch
