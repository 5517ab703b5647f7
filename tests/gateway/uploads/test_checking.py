"""Checks in turns: bounded in CPU time, and short ones pass long ones."""

import asyncio
import itertools

import pytest

from gateway.errors import Busy, TooLarge
from gateway.http.upload_pace import UploadPace
from gateway.settings import GatewaySettings
from gateway.uploads.checking import Checker


def endless():
    for _ in itertools.repeat(None):
        yield


def short(result):
    yield
    return result


@pytest.fixture
def checker():
    """One thread, and a clock on which each look takes a hundredth of a second."""
    ticks = itertools.count()
    settings = GatewaySettings(
        validation_threads=1, validation_seconds=5, validation_seconds_per_mib=2
    )
    checker = Checker(settings, UploadPace(rate=1.0), clock=lambda: next(ticks) / 100)
    yield checker
    checker.close()


async def test_what_a_check_returns_and_raises_is_passed_on(checker):
    def failing():
        yield
        raise ValueError("bad")

    assert await checker.run(short("found"), 1) == "found"
    with pytest.raises(ValueError, match="bad"):
        await checker.run(failing(), 1)


async def test_a_check_without_end_is_too_large(checker):
    with pytest.raises(TooLarge, match="takes more than 5 s of computing"):
        await checker.run(endless(), 0)
    with pytest.raises(TooLarge, match="takes more than 9 s of computing"):
        await checker.run(endless(), 2 * 1024**2)


async def test_a_short_check_passes_long_ones():
    settings = GatewaySettings(validation_threads=1, validation_seconds=1e9)
    checker = Checker(settings, UploadPace(rate=1.0))
    long = [asyncio.create_task(checker.run(endless(), 0)) for _ in range(5)]
    await asyncio.sleep(0)
    assert await checker.run(short("through"), 1) == "through"
    assert not any(task.done() for task in long)
    checker.close()
    ends = await asyncio.gather(*long, return_exceptions=True)
    assert all(isinstance(end, Busy) for end in ends), ends
