"""Several calls at once."""

import asyncio

import pytest

from learner_service.clients.gather import gather
from learner_service.errors import RolloutsUnavailable


async def after(seconds: float, value: int) -> int:
    await asyncio.sleep(seconds)
    return value


async def test_results_keep_the_order_of_the_calls():
    assert await gather([after(0.02, 1), after(0.0, 2)]) == [1, 2]


async def test_the_first_error_is_raised_itself_and_ends_the_others():
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def fails() -> None:
        raise RolloutsUnavailable("away")

    with pytest.raises(RolloutsUnavailable, match="away"):
        await gather([waits(), fails()])
    assert ended.is_set()
