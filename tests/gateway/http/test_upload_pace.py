import asyncio

import pytest

from gateway.http.bodies import BodyLimits
from gateway.http.upload_pace import UploadPace

_HUNDRED_BYTES_A_SECOND = 100.0


class _Time:
    """Passes only for those who wait for it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


def _pace(time: _Time) -> UploadPace:
    return UploadPace(_HUNDRED_BYTES_A_SECOND, clock=lambda: time.now, sleep=time.sleep)


async def _take(pace: UploadPace, times: int, size_bytes: int = 10) -> None:
    for _ in range(times):
        await pace.take(size_bytes)


async def test_what_comes_at_once_is_taken_at_the_rate():
    time = _Time()
    await _take(_pace(time), times=100)
    assert time.now - 1_000 == pytest.approx(10, abs=0.3)


async def test_several_uploads_share_the_rate():
    time = _Time()
    pace = _pace(time)
    await asyncio.gather(_take(pace, times=50), _take(pace, times=50))
    assert time.now - 1_000 == pytest.approx(10, abs=0.3)


async def test_a_slow_sender_waits_for_nothing_and_saves_nothing_up():
    time = _Time()
    pace = _pace(time)
    for _ in range(5):
        time.now += 10
        before = time.now
        await pace.take(10)
        assert time.now == before
    await _take(pace, times=100)
    assert time.now - before == pytest.approx(10, abs=0.3)


async def _read(path: str, settings, size_bytes: int = 1, times: int = 1) -> None:
    async def reading(scope, receive, send):
        for _ in range(times):
            await receive()

    async def prompt():
        return {"type": "http.request", "body": bytes(size_bytes), "more_body": True}

    await BodyLimits(reading, settings)(
        {"type": "http", "path": path, "headers": [(b"transfer-encoding", b"chunked")]},
        prompt,
        None,
    )


async def test_only_files_are_paced(settings):
    stuck = settings.model_copy(update={"max_upload_rate": 1e-6})
    await _read("/train", stuck)
    for path in ("/upload-data", "/evaluations"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await _read(path, stuck)


async def test_who_has_to_wait_is_no_slow_sender(settings):
    changes = {"max_upload_rate": 4.0, "body_grace_seconds": 0.1}
    await _read("/upload-data", settings.model_copy(update=changes), size_bytes=2, times=3)
