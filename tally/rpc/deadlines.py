"""How long something may take, as an error that a caller understands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tally.rpc.errors import DeadlineExceeded


@asynccontextmanager
async def limit_time(seconds: float, message: str) -> AsyncIterator[None]:
    """Cancels what is within it after `seconds`, and raises DeadlineExceeded with `message`."""
    try:
        async with asyncio.timeout(seconds) as timer:
            yield
    except TimeoutError:
        if not timer.expired():
            raise
        raise DeadlineExceeded(message) from None
