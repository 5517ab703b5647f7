"""One read for all who ask the same at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedReads(Generic[T]):
    """Hundreds who wait for one thing ask for it at once when it is there."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}

    async def read(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `start()` returns or raises, or what one that is under way for `key` does.

        It goes on where one who asked is gone.
        """
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(start())
            task.add_done_callback(lambda _: self._under_way.pop(key))
        return await asyncio.shield(task)
