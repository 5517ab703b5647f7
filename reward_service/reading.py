"""Every number of a text that may be a count, and every word that says which of them does."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from reward_service.chinese_numbers import read_numerals
from reward_service.clue_words import Kind
from reward_service.clues import Clue
from reward_service.digit_numbers import read_digits
from reward_service.english_numbers import MULTIPLIER_AFTER, read_english
from reward_service.faults import with_fault
from reward_service.labels import is_label
from reward_service.mention import Mention
from reward_service.neighbours import BEFORE, Before
from reward_service.pairs import read_set, read_set_han, widen_by_set
from reward_service.parsed_count import NoCountReason
from reward_service.ranges import join_ranges

_OF_OTHERS = re.compile(r"\s{1,3}of\s(?:them|these|those|which|whom|the)\b")
# Compared one by one: the hash of an Enum is slow.
_MARKS = (Kind.CORRECTION, Kind.ANSWER, Kind.TOTAL, Kind.RESULT, Kind.SO)


class Evidence(NamedTuple):
    """The mentions and the marks of a text, each in order; `is_all` unless it holds too many."""

    mentions: list[Mention]
    marks: list[Clue]
    is_all: bool


def read_evidence(text: str, clues: list[Clue], *, is_all: bool) -> Evidence:
    """What the clues of a plain text in lower case say, `is_all` where it holds no more of them."""
    joined = join_ranges(text, list(_read_numbers(text, clues)))
    mentions = [judged for mention in joined if (judged := _judge(text, mention)) is not None]
    marks = [clue for clue in clues if clue.kind in _MARKS]
    return Evidence(mentions=mentions, marks=marks, is_all=is_all)


def _read_numbers(text: str, clues: list[Clue]) -> Iterator[Mention]:
    """The number of each clue that has one, none of them twice."""
    after = 0
    for clue in clues:
        if clue.start < after or clue.kind in _MARKS:
            continue
        mention, after = _read_number(text, clue)
        if mention is not None:
            yield mention


def _read_number(text: str, clue: Clue) -> tuple[Mention | None, int]:
    """The number that the clue begins, if it does, and where to go on."""
    if clue.kind is Kind.ENGLISH or (
        clue.kind is Kind.DIGITS and MULTIPLIER_AFTER.match(text, clue.end)
    ):
        mention, after = read_english(text, clue.start)
        if mention is not None or clue.kind is Kind.ENGLISH:
            return mention, after
    mention = _READERS[clue.kind](text, clue)
    return mention, max(clue.end, mention.end if mention else 0)


def _read_and_widen(text: str, clue: Clue) -> Mention | None:
    read = read_digits if clue.kind is Kind.DIGITS else read_numerals
    mention = read(text, clue.start, clue.end)
    return widen_by_set(text, mention) if mention else None


_READERS: dict[Kind, Callable[[str, Clue], Mention | None]] = {
    Kind.DIGITS: _read_and_widen,
    Kind.NUMERALS: _read_and_widen,
    Kind.SET: lambda text, clue: read_set(text, clue.start, clue.end),
    Kind.SET_HAN: lambda text, clue: read_set_han(text, clue.start, clue.end),
    Kind.ABSENCE: lambda _, clue: Mention(clue.start, clue.end, value=0),
    Kind.NOTHING: lambda _, clue: Mention(clue.start, clue.end, value=0, weak=True),
}


def _judge(text: str, mention: Mention) -> Mention | None:
    """The mention as its neighbours leave it: a count, a fault, or nothing."""
    before = BEFORE.find(text, mention.start)
    role = before[0] if before else None
    if is_label(text, mention, role):
        return None
    if role is Before.DENIED and mention.fault is not NoCountReason.TOO_LARGE:
        return None
    judged = with_fault(text, mention, before)
    is_weak = role is Before.WEAK or _OF_OTHERS.match(text, mention.end) is not None
    return judged._replace(weak=True) if is_weak else judged
