"""Waiting for what another task or process does."""

import asyncio
import inspect
from collections.abc import Callable


async def eventually(condition: Callable, seconds: float = 20) -> None:
    """Returns once `condition()` holds, or `await condition()` where it is a coroutine."""
    async with asyncio.timeout(seconds):
        while not await _value(condition):  # noqa: ASYNC110 - nothing tells when it holds
            await asyncio.sleep(0.02)


async def _value(condition: Callable) -> object:
    value = condition()
    return await value if inspect.isawaitable(value) else value
