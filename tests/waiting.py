"""Waiting for what another task, thread or process does: by what it did, never by the clock."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

# Longer than anything takes on a machine that is busy with other work.
PATIENCE_SECONDS = 900.0


def wait_until(condition: Callable[[], Any], what: object = "") -> Any:
    """What `condition()` returns once that is true; fails with `what` where it never is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)
    return value


async def eventually(condition: Callable[[], Any]) -> None:
    """Returns once `condition()` holds, or `await condition()` where it is a coroutine."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await _value(condition):  # noqa: ASYNC110 - nothing tells when it holds
            await asyncio.sleep(0.02)


async def _value(condition: Callable[[], Any]) -> object:
    value = condition()
    return await value if inspect.isawaitable(value) else value
