"""Lines of a log: what a stranger wrote is text in them, and begins none."""

import asyncio
import json
import logging
import threading
import unicodedata
from collections.abc import Iterator
from types import TracebackType

import pytest

from tally.logs import fields
from tally.logs.fields import add_log_fields, add_process_fields, log_fields
from tally.logs.lines import JsonLines, TextLines

EVIL = "x\n2026-01-01 INFO gateway: all is well\x1b[2J\u202e"
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
FORMATTERS = [TextLines("gateway"), JsonLines("gateway")]


def record(exc_info: ExcInfo | None = None, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("gateway.jobs", logging.INFO, "x.py", 1, "job %s", (EVIL,), exc_info)
    made.__dict__.update(extra)
    return made


def is_text(line: str) -> bool:
    return not any(unicodedata.category(mark)[0] == "C" for mark in line)


@pytest.fixture
def failed() -> ExcInfo:
    try:
        raise ValueError(EVIL)
    except ValueError as error:
        return ValueError, error, error.__traceback__


@pytest.fixture
def process_fields() -> Iterator[None]:
    yield
    fields._of_process.clear()


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_a_strangers_line_is_part_of_ours(formatter: logging.Formatter) -> None:
    line = formatter.format(record(path=EVIL))
    assert "job x\\n2026-01-01 INFO" in line
    assert is_text(line)


def test_a_traceback_keeps_its_lines_and_is_text(failed: ExcInfo) -> None:
    lines = TextLines("gateway").format(record(failed)).splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    assert all(map(is_text, lines))


def test_a_line_of_json_says_all_of_it(failed: ExcInfo) -> None:
    with log_fields(job_id="one", attempt=2):
        line = JsonLines("gateway").format(record(failed, status=404, color_message="x"))
    assert is_text(line)
    said = json.loads(line)
    assert said.pop("traceback").startswith("Traceback (most recent call last):\n")
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "INFO",
        "logger": "gateway.jobs",
        "message": f"job {EVIL}",
        "service": "gateway",
        "status": 404,
        "job_id": "one",
        "attempt": 2,
    }


def test_a_line_says_what_it_concerns_until_that_is_over() -> None:
    with log_fields(job_id="one"), log_fields(attempt=2):
        inside = TextLines("learner").format(record())
    assert " INFO learner job_id=one attempt=2 gateway.jobs: job x" in inside
    assert " INFO learner gateway.jobs: job x" in TextLines("learner").format(record())


@pytest.mark.usefixtures("process_fields")
def test_what_a_process_concerns_is_said_by_each_of_its_threads() -> None:
    add_process_fields(job_id="one", attempt=1)
    lines: list[str] = []
    thread = threading.Thread(target=lambda: lines.append(TextLines("worker").format(record())))
    thread.start()
    thread.join()
    assert " INFO worker job_id=one attempt=1 " in lines[0]


async def test_tasks_do_not_say_each_others() -> None:
    async def line_of(job_id: str) -> str:
        add_log_fields(job_id=job_id)
        await asyncio.sleep(0)
        return TextLines("gateway").format(record())

    lines = await asyncio.gather(*map(line_of, ("one", "two")))
    assert [" job_id=one " in line for line in lines] == [True, False]
    assert [" job_id=two " in line for line in lines] == [False, True]
