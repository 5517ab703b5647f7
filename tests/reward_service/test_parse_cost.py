"""Work is linear in the text: held by counting calls, and by CPU time with wide slack."""

import sys

import pytest

from bench.measure import cpu_seconds
from bench.parse_cost import FRAGMENTS, search, text_of
from reward_service.clues import MAX_CLUES, find_clues
from reward_service.parse import parse_count

SLOW = [
    ("cm half a dozen a photo of 3 __71, 2, 3, 一張照片十幾個a couple of twenty",),
    ("順one順a couple of a photo of __red <<a couple of a couple of 個one",),
    ("one thousand ",),
    ("number of ",),
    ("a photo of an ",),
    ("1,111,",),
    ("<answer>", "\\boxed{"),
    ("~~", "<s>", "$", "_1_"),
]


def calls_of(text: str) -> int:
    """Python functions called while a text is read."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        parse_count(text)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("fragments", [*((one,) for one in FRAGMENTS), *SLOW], ids=repr)
def test_a_longer_text_is_looked_at_no_closer(fragments: tuple[str, ...]):
    """Beyond the one pass in C, the work is bounded: calls don't grow with the text."""
    short, long = text_of(fragments, 4_000), text_of(fragments, 40_000)
    assert len(find_clues(long.lower())[0]) <= MAX_CLUES
    marked = sum(long.count(sign) for sign in "<~_$")  # a call for each piece of markup
    assert calls_of(long) <= 1.5 * calls_of(short) + 100 + marked


@pytest.mark.parametrize("fragments", [*((one,) for one in FRAGMENTS[::8]), *SLOW], ids=repr)
def test_cpu_time_grows_with_the_length_alone(fragments: tuple[str, ...]):
    """Ten times the text costs about ten times as much; a quadratic pass would cost a hundred."""
    short, long = text_of(fragments, 5_000), text_of(fragments, 50_000)
    assert cpu_seconds(lambda: parse_count(long)) < 40 * cpu_seconds(lambda: parse_count(short))


def test_the_search_finds_slower_texts_and_can_be_replayed():
    first = search(seed=3, minutes=0, characters=100)
    assert first[0].cost >= first[-1].cost > 0
    assert {one.fragments for one in first} == {(fragment,) for fragment in FRAGMENTS}
