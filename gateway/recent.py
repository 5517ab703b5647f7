"""What another service said a moment ago."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Asks at most once every `seconds`, however many want to know. What `ask` raises is raised,
    and asked anew.

    Example:
        >>> async def ask() -> str:
        ...     print("asked")
        ...     return "qwen"
        >>> async def look_twice() -> list[str]:
        ...     recent = Recent(ask, seconds=60)
        ...     return [await recent.get(), await recent.get()]
        >>> asyncio.run(look_twice())
        asked
        ['qwen', 'qwen']
    """

    def __init__(self, ask: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._known: tuple[float, T] | None = None

    async def get(self) -> T:
        async with self._lock:
            if self._known is None or time.monotonic() - self._known[0] >= self._seconds:
                answer = await self._ask()
                self._known = time.monotonic(), answer
            return self._known[1]
