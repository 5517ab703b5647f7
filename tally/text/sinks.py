"""One function for each place that a stranger's text is written to. Pure.

Names, questions, answers and errors may hold control codes, marks that turn the direction of
reading, and what a spreadsheet would compute.
"""

import json
import re
import unicodedata
from typing import Any

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_FORMULA_STARTS = frozenset("=+-@\N{MINUS SIGN}")
_CELL_BREAKS = ("\t", "\r", "\n")
# A client takes 8 KiB of headers, and a character is up to 16 bytes of one.
_MOST_STATUS_CHARACTERS = 500
# Letters and a symbol that are shown as nothing.
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# What a backslash makes a character like others: CommonMark 2.4.
_PUNCTUATION = re.compile(r"[!-/:-@[-`{-~]")
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def to_terminal(text: str) -> str:
    """Lines of characters that can be seen, and blanks.

    >>> to_terminal("3 apples\\x1b[2J")
    '3 apples�[2J'
    """
    return "".join(mark if mark == "\n" else _visible(mark) for mark in text)


def to_line(text: str) -> str:
    """As to_terminal, in one line; what can't be seen is a blank."""
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON for a terminal as for a program: what can't be seen is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return "".join(mark if mark == "\n" or mark.isprintable() else _escape(mark) for mark in text)


def to_log(text: str) -> str:
    """A log's line: nothing in it begins another one."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else _escape(mark) for mark in text)


def to_status(text: str) -> str:
    """What a gRPC status says: as to_log, and cut to what a header holds.

    >>> to_status("there is no row\n\x1b[31m")
    'there is no row\\n\\u001b[31m'
    """
    cut = text if len(text) <= _MOST_STATUS_CHARACTERS else f"{text[:_MOST_STATUS_CHARACTERS]}…"
    return to_log(cut)


def to_page(text: str) -> str:
    """Text for HTML, to be escaped there: it keeps its lines, and turns no direction."""
    return to_terminal(text)


def to_markdown(text: str) -> str:
    r"""A part of a line of Markdown in which nothing is a mark, a link or HTML.

    >>> to_markdown("<b>3|4</b>")
    '\\<b\\>3\\|4\\<\\/b\\>'
    """
    return _PUNCTUATION.sub(r"\\\g<0>", to_line(text))


def to_cell(text: str) -> str:
    """A cell of a spreadsheet: what would be taken for a formula gets an apostrophe before it.

    >>> to_cell(" ＝1+1")
    "' ＝1+1"
    """
    text = _DIRECTIONS.sub(_REPLACEMENT, text)
    seen = (mark for mark in text if not _is_blank(mark))
    first = unicodedata.normalize("NFKC", next(seen, " "))[0]
    is_formula = first in _FORMULA_STARTS or text.lstrip(" ").startswith(_CELL_BREAKS)
    return f"'{text}" if is_formula else text


def _visible(mark: str) -> str:
    if mark.isprintable() or unicodedata.category(mark) == "Zs":
        return mark
    return " " if mark.isspace() else _REPLACEMENT


def _is_blank(mark: str) -> bool:
    """Whether nothing of it can be seen: blanks, controls, invisible marks, those that combine."""
    if mark == _REPLACEMENT or mark in _BLANK_LETTERS:
        return True
    return unicodedata.category(mark)[0] in "CMZ"


def _escape(mark: str) -> str:
    r"""`\n` as itself would be written in JSON, and others by their number."""
    return json.dumps(mark)[1:-1] if mark != "\x7f" else "\\u007f"
