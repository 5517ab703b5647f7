"""Numbers that were taken back, said beside the matter, or only counted along with."""

import re
from itertools import pairwise

from reward_service.clue_words import Kind
from reward_service.measure_words import MEASURE_WORDS
from reward_service.mention import Mention
from reward_service.reading import Evidence

_EACH = re.compile(r"\b(?:each|per|apiece|every)\b|[每各]")
_ASIDE = re.compile(r"[^.!?。;\n)]{0,40}\([^)\n]{0,40}$")
_COUNTING_GAP = re.compile(rf"[{MEASURE_WORDS}]?[\s,.;:、…)\-–—>]{{1,8}}(?:and\s|then\s)?")
_ITEM_BEFORE = re.compile(r"(?:^|\n)[ \t*#(]{0,4}$")
_ITEM_AFTER = re.compile(r"[.)、:]\s{0,3}[^\s0-9]")


def after_correction(evidence: Evidence) -> list[Mention]:
    """What follows the last correction that has something before it to correct."""
    mentions = evidence.mentions
    for mark in reversed(evidence.marks):
        if mark.kind is Kind.CORRECTION:
            after = [mention for mention in mentions if mention.start >= mark.end]
            if after and len(after) < len(mentions):
                return after
    return mentions


def without_asides(text: str, mentions: list[Mention]) -> list[Mention]:
    """Without weak ones and those in brackets behind another, unless "each" makes them factors."""
    in_brackets = {
        second.start
        for first, second in pairwise(mentions)
        if "(" in (gap := text[first.end : second.start]) and _ASIDE.fullmatch(gap)
    }
    strong = [m for m in mentions if not m.weak and m.start not in in_brackets]
    if len(strong) in (0, len(mentions)) or _EACH.search(text):
        return mentions
    return strong


def without_counting(text: str, mentions: list[Mention], *, is_all: bool) -> list[Mention]:
    """Without "1, 2, 3, 4", where something else is said too."""
    kept: list[Mention] = []
    index = 0
    while index < len(mentions):
        end = _counting_end(text, mentions, index, is_all)
        if end - index < 2:
            end = index + 1
            kept.append(mentions[index])
        index = end
    return kept or mentions


def _counting_end(text: str, mentions: list[Mention], index: int, is_all: bool) -> int:
    """The index after a run of 1, 2, 3 … that begins there; `index` where none does.

    Of a text that is not read from its beginning, the run may begin with any number.
    """
    first = mentions[index].value
    if first is None or (first != 1 and (is_all or index > 0)):
        return index
    end = index + 1
    while end < len(mentions) and mentions[end].value == first + end - index:
        if not _COUNTING_GAP.fullmatch(text, mentions[end - 1].end, mentions[end].start):
            break
        end += 1
    return end


def without_list_numbers(text: str, mentions: list[Mention]) -> list[Mention]:
    """Without the numbers 1, 2, 3 … of a list's lines, where something else is said too."""
    items = [mention for mention in mentions if _begins_item(text, mention)]
    if not items or [item.value for item in items] != list(range(1, len(items) + 1)):
        return mentions
    return [mention for mention in mentions if mention not in items] or mentions


def _begins_item(text: str, mention: Mention) -> bool:
    if not _ITEM_AFTER.match(text, mention.end):
        return False
    before = text[max(0, mention.start - 6) : mention.start]
    is_start = mention.start <= 6 or "\n" in before
    return is_start and _ITEM_BEFORE.search(before) is not None
