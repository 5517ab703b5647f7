"""Whether equal numbers say one count again, or count other things: "2 cats and 2 dogs"."""

import re
from collections.abc import Sequence
from itertools import pairwise

from reward_service.clue_words import Kind
from reward_service.clues import Clue
from reward_service.mention import Mention

_FAR = 80
_ADDS = re.compile(r"\b(?:and|plus|another|&)\b|[+&]|[和與与跟及、]|另")
_SENTENCE_END = re.compile(r"[!?。;/\n]|\.(?:\s|$)")
_THING = re.compile(r"\s[a-z]{2,20}|[一-龥]{2,4}")
_FOLLOWS = re.compile(r"[^,.;:!?。\n()]{0,30}")
_STATES = re.compile(r"(?:[.;!/。]|\bthere (?:are|is)|\bi (?:see|count)|有)\s?$")
_ONLY = re.compile(r"\b(?:just|only|exactly)\s*$")
_HAN_PLACE = re.compile(r"[一-龥]")
_SAME_HAN = re.compile(r"[共總总是即就也只答合計计]")


def agree(text: str, mentions: Sequence[Mention], marks: Sequence[Clue]) -> bool:
    """Whether all mentions are one value, and none of them counts something else."""
    if not mentions or any(mention.fault for mention in mentions):
        return False
    if len({mention.value for mention in mentions}) > 1:
        return False
    return mentions[0].value == 0 or not any(
        _adds(text, first, second, marks) for first, second in pairwise(mentions)
    )


def _adds(text: str, first: Mention, second: Mention, marks: Sequence[Clue]) -> bool:
    """Whether the second of two equal numbers counts other things than the first."""
    gap = text[first.end : second.start]
    if len(gap) > _FAR or _is_marked(second, first.end, marks):
        return False
    if _SENTENCE_END.search(gap):
        before = text[max(first.end, second.start - 12) : second.start]
        return _STATES.search(before) is not None and _differ(text, first, second)
    if _ADDS.search(gap):
        return True
    return "," in gap and _clause_adds(text, first, second, gap.rpartition(",")[2])


def _clause_adds(text: str, first: Mention, second: Mention, clause: str) -> bool:
    """Whether the second, in a clause that begins with `clause`, counts other things."""
    if first.value == 1 and text.startswith("one", second.start):
        return _ONLY.search(clause) is None
    if _HAN_PLACE.search(clause):
        return _SAME_HAN.search(clause) is None
    return _differ(text, first, second)


def _is_marked(second: Mention, first_end: int, marks: Sequence[Clue]) -> bool:
    """Whether a mark of a conclusion stands between the two, or right behind the second."""
    return any(
        mark.kind is not Kind.CORRECTION
        and (first_end <= mark.start < second.start or 0 <= mark.start - second.end < 30)
        for mark in marks
    )


def _differ(text: str, first: Mention, second: Mention) -> bool:
    """Whether other things are said of the two: neither's words are all among the other's."""
    ours, theirs = _after(text, first), _after(text, second)
    if ours.startswith(theirs) or theirs.startswith(ours):
        return False
    words, others = set(ours.split()), set(theirs.split())
    return not (words <= others or others <= words)


def _after(text: str, mention: Mention) -> str:
    match = _FOLLOWS.match(text, mention.end)
    return match.group().strip() if match else ""


def find_said_again(text: str, mentions: Sequence[Mention]) -> Mention | None:
    """The last mention, where it alone is in the last sentence and says a thing's count again.

    "Two chairs and three cups. There are 3 cups." is 3.
    """
    *before, last = mentions
    if not before or not _SENTENCE_END.search(text, before[-1].end, last.start):
        return None
    thing = _THING.match(text, last.end)
    is_same = thing is not None and any(
        mention.value == last.value and text.startswith(thing.group(), mention.end)
        for mention in before
    )
    return last if is_same else None
