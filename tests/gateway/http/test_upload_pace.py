import asyncio
import math
import os

import pytest

from gateway.http.bodies import BodyLimits
from gateway.http.receiving import FormShape, IncomingForm, receive_form
from gateway.http.upload_pace import UploadPace
from gateway.settings import MIB
from tally.messages.languages import Language
from tally.messages.message import Message

_HUNDRED_BYTES_A_SECOND = 100.0
_CORES = 2


class _Machine:
    """Its time passes only for those who wait for it; its event loop and its cores do as told."""

    def __init__(self, monkeypatch, idle_cores: float = 0.0) -> None:
        monkeypatch.setattr(os, "cpu_count", lambda: _CORES)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1})
        self.now = 1_000.0
        self.loop_seconds = 5.0
        self._idle_cores = idle_cores

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)

    def pace(self, rate: float | None = None) -> UploadPace:
        return UploadPace(
            rate,
            clock=lambda: self.now,
            loop_clock=lambda: self.loop_seconds,
            idle_clock=lambda: self.now * self._idle_cores,
            sleep=self.sleep,
        )


@pytest.fixture
def busy(monkeypatch) -> _Machine:
    return _Machine(monkeypatch)


async def _take(pace: UploadPace, times: int, size_bytes: int = 10) -> None:
    for _ in range(times):
        await pace.take(size_bytes, 0.01)


async def test_what_comes_at_once_is_taken_at_the_rate(busy):
    await _take(busy.pace(_HUNDRED_BYTES_A_SECOND), times=100)
    assert busy.now - 1_000 == pytest.approx(10, abs=0.3)


async def test_several_uploads_share_the_rate(busy):
    pace = busy.pace(_HUNDRED_BYTES_A_SECOND)
    await asyncio.gather(_take(pace, times=50), _take(pace, times=50))
    assert busy.now - 1_000 == pytest.approx(10, abs=0.3)


async def test_a_slow_sender_waits_for_nothing_and_saves_nothing_up(busy):
    pace = busy.pace(_HUNDRED_BYTES_A_SECOND)
    for _ in range(5):
        busy.now += 10
        before = busy.now
        await pace.take(10, 0.01)
        assert busy.now == before
    await _take(pace, times=100)
    assert busy.now - before == pytest.approx(10, abs=0.3)


async def test_where_a_rate_is_set_checks_cost_nothing(busy):
    pace = busy.pace(_HUNDRED_BYTES_A_SECOND)
    await pace.check(1_000)
    pace.note_check(1_000)
    await pace.take(10, 0.01)
    assert busy.now == 1_000


async def test_uploads_take_their_part_of_busy_cores(busy):
    """7 % of two cores: 0.14 CPU seconds a second, of threads, the event loop and checks."""
    pace = busy.pace()
    for _ in range(7):
        busy.loop_seconds += 0.01
        await pace.take(MIB, thread_seconds=0.01)
        await pace.check(0.02)
    assert busy.now - 1_000 == pytest.approx(7 * 0.04 / 0.14)


async def test_who_comes_next_pays_for_a_check_that_has_ended(busy):
    pace = busy.pace()
    pace.note_check(0.7)
    assert busy.now == 1_000
    await pace.take(MIB, thread_seconds=0.014)
    assert busy.now - 1_000 == pytest.approx(5.1)


async def test_reads_beside_do_not_starve_uploads(busy):
    """What the event loop did counts as 20 ms for each MiB at most."""
    pace = busy.pace()
    for _ in range(7):
        busy.loop_seconds += 100
        await pace.take(MIB, thread_seconds=0.0)
    assert busy.now - 1_000 == pytest.approx(1, abs=0.25)


async def test_uploads_and_checks_take_turns(busy):
    pace, ends = busy.pace(), []

    async def check() -> None:
        for _ in range(50):
            await pace.check(0.02)
        ends.append("check")

    async def receive() -> None:
        for _ in range(10):
            await pace.take(MIB, thread_seconds=0.01)
        ends.append("upload")

    await asyncio.gather(check(), receive())
    assert ends == ["upload", "check"]


@pytest.mark.parametrize(("idle_cores", "share"), [(0.2, 0.14), (0.6, 0.3), (2.0, 0.5)])
async def test_half_of_what_idles_is_theirs_but_half_of_the_gateways_cores_at_most(
    monkeypatch, idle_cores, share
):
    machine = _Machine(monkeypatch, idle_cores)
    pace = machine.pace()
    machine.now += 1
    before = machine.now
    for _ in range(100):
        await pace.check(0.02)
    assert machine.now - before == pytest.approx(2 / share, abs=0.25)


def _form(pace: UploadPace | None, size_bytes: int) -> IncomingForm:
    async def blocks():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
        for _ in range(size_bytes // 256):
            yield bytes(256)
        yield b"\r\n--b--\r\n"

    return IncomingForm("multipart/form-data; boundary=b", blocks(), Language.ENGLISH, pace)


async def test_a_form_is_taken_in_at_its_pace(busy, tmp_path):
    shape = FormShape("file", Message("zip_part_missing", part="file"), 4 * MIB, {})
    await receive_form(_form(None, 3 * MIB), tmp_path, shape)
    assert busy.now == 1_000
    form = await receive_form(_form(busy.pace(rate=MIB), 3 * MIB), tmp_path, shape)
    assert form.path.stat().st_size == 3 * MIB
    assert busy.now - 1_000 == pytest.approx(3, abs=0.01)


async def test_files_are_paced_and_a_picture_is_not(gateway, monkeypatch):
    taken: list[int] = []

    async def take(pace: UploadPace, size_bytes: int, thread_seconds: float) -> None:
        taken.append(size_bytes)

    monkeypatch.setattr(UploadPace, "take", take)
    asked = {"/upload-data": "file", "/evaluations": "adapter", "/predictions": "file"}
    for number, (path, part) in enumerate(asked.items(), start=1):
        await gateway.client.post(path, files={part: bytes(9_000)})
        assert len(taken) == number
        assert taken[-1] > 9_000
    await gateway.client.post("/predict", files={"image": bytes(9_000)})
    assert len(taken) == len(asked)


async def test_who_has_to_wait_is_no_slow_sender(settings):
    hasty = settings.model_copy(update={"body_grace_seconds": 0.1, "min_body_rate": math.inf})

    async def reading(scope, receive, send):
        for _ in range(3):
            await receive()
            await asyncio.sleep(0.2)

    async def prompt():
        return {"type": "http.request", "body": bytes(2), "more_body": True}

    scope = {
        "type": "http",
        "path": "/upload-data",
        "headers": [(b"transfer-encoding", b"chunked")],
    }
    await BodyLimits(reading, hasty)(scope, prompt, None)
