"""What a stranger wrote is nothing but text, wherever it is written to."""

import json
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tally.text.sinks import to_cell, to_json, to_line, to_log, to_page, to_status, to_terminal

HOSTILE = [
    "\x1b[2J\x1b]0;title\x07", "\x9b31m", "\x7f", "a\rb", "\u202egnp.exe", "\u2066x\u2069", "\0",
    "\u200b\u200f", "\u2028x\u2029", "[red]x[/red]", "\ud800", "\U000e0041", "\ue000",
]  # fmt: skip
MARKS = "\x1b[]\x9b\u202e=＝+@-\t\r\n '"
texts = st.one_of(st.text(), st.sampled_from(HOSTILE), st.text(MARKS, min_size=1))


def is_seen(text: str) -> bool:
    """Whether there is no control, direction, surrogate, private or unassigned character."""
    return not any(unicodedata.category(mark)[0] == "C" for mark in text)


@given(texts)
def test_a_status_is_a_line_that_fits_into_a_header(text: str) -> None:
    for shown in (to_status(text), to_status(1000 * text)):
        assert shown.isprintable()
        assert len(quote(shown)) < 8 * 1024


@given(texts)
def test_nothing_but_text_reaches_a_terminal(text: str) -> None:
    assert is_seen(to_terminal(text).replace("\n", ""))
    assert is_seen(to_page(text).replace("\n", ""))
    assert is_seen(to_line(text))
    assert "\n" not in to_line(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_text_that_can_be_seen_stays_as_it_is(text: str) -> None:
    assert to_terminal(text) == to_line(text) == to_log(text) == to_page(text) == text


@given(st.recursive(texts | st.integers() | st.none(), lambda inner: st.dictionaries(texts, inner)))
def test_json_can_be_seen_and_says_the_same(value: object) -> None:
    assert is_seen(to_json(value))
    assert json.loads(to_json(value)) == value
    assert json.loads(to_json(value, indent=2)) == value
    assert is_seen(to_json(value, indent=2).replace("\n", ""))


@given(texts)
def test_a_line_of_a_log_stays_one(text: str) -> None:
    assert is_seen(to_log(text))
    assert len(to_log(text).splitlines()) <= 1


BEFORE = ["", *" \t\r\n\u200b\ufeff\u00a0\u3000\u3164\0\u0301"]
STARTS = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫", "−"]


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("start", STARTS)
def test_a_formula_is_a_text(before: str, start: str) -> None:
    assert to_cell(f"{before}{start}cmd|' /C calc'!A0") == f"'{before}{start}cmd|' /C calc'!A0"


@given(texts)
def test_no_cell_begins_a_formula(text: str) -> None:
    cell = to_cell(text)
    marks = unicodedata.normalize("NFKC", cell)
    assert next((m for m in marks if m.isprintable() and m != " "), "") not in set("=+-@")
    assert "\u202e" not in cell


@pytest.mark.parametrize("text", ["3 apples", "有幾個蘋果？", "a=b", "", " ", "1-2", "'=x"])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert to_cell(text) == text
