"""Lines of a log: what a stranger wrote is text in them, and begins none."""

import logging
import sys
import unicodedata

from tally.rpc.logs import PlainFormatter

EVIL = "x\n2026-01-01 INFO gateway: all is well\x1b[2J\u202e"


def formatted(**options: object) -> str:
    record = logging.LogRecord("gateway", logging.INFO, "x.py", 1, "job %s", (EVIL,), **options)
    return PlainFormatter("%(levelname)s %(message)s").format(record)


def is_text(line: str) -> bool:
    return not any(unicodedata.category(mark)[0] == "C" for mark in line)


def test_a_strangers_line_is_part_of_ours() -> None:
    line = formatted(exc_info=None)
    assert line.startswith("INFO job x\\n2026-01-01 INFO")
    assert is_text(line)


def test_a_traceback_keeps_its_lines_and_is_text() -> None:
    try:
        raise ValueError(EVIL)
    except ValueError:
        lines = formatted(exc_info=sys.exc_info()).splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    assert all(map(is_text, lines))
