"""Which of an answer's numbers it comes to."""

import re
from collections.abc import Iterator, Sequence

from reward_service.clue_words import Kind
from reward_service.clues import Clue
from reward_service.mention import Mention
from reward_service.passed_over import (
    after_correction,
    without_asides,
    without_counting,
    without_list_numbers,
)
from reward_service.reading import Evidence
from reward_service.repetition import agree, find_said_again
from reward_service.sums import find_total, is_sum_of

# Blanks, markup and colons between a mark and what it marks.
_LEAD = re.compile(r"[\s:=|*_\"'`(\[{>#,-]{0,12}")
_END = re.compile(r"[!?。;\n|}]|\.(?=\s|$)|,\s*\"")
_MAX_SENTENCE, _MAX_CLAUSE = 240, 60
_CLAUSE_END = re.compile(r"[\s*_]{0,6}(?:[.!?。;:,()\n–—-]|$)")
_NO_CLAUSE = re.compile(r"[,.;:!?。\n]")
_JOINS = re.compile(r"(?:\band\b|&|[和與与跟及])")
_OPERATOR = re.compile(r"[-+*×x/加減减]|\b(?:plus|minus|times|and|with|of|on|each)\b")


def decide(text: str, evidence: Evidence) -> tuple[Sequence[Mention], bool]:
    """The mentions that decide, and whether all of them say one thing.

    What was corrected, said beside or only counted along with is left out; where the rest agrees,
    that is it. Else one number that is the sum of all others, its parts. Else what a mark points
    at: an answer, a total, a result, a "so". Else what the last sentence says again.
    """
    if len(evidence.mentions) == 1 and evidence.is_all:
        return evidence.mentions, True
    stated = after_correction(evidence)
    mentions = without_counting(text, without_asides(text, stated), is_all=evidence.is_all)
    mentions = without_list_numbers(text, mentions)
    is_whole = evidence.is_all or _counts_from_the_start(stated, mentions)
    if is_whole and agree(text, mentions, evidence.marks):
        return mentions, True
    if evidence.is_all and (total := find_total(text, stated)):
        return [total], True
    for kind in (Kind.ANSWER, Kind.TOTAL, Kind.RESULT, Kind.SO):
        marks = [mark for mark in evidence.marks if mark.kind is kind]
        marked = _pick(text, marks, mentions)
        if marked and (kind is Kind.ANSWER or _is_last_word(mentions, marked)):
            return marked, agree(text, marked, evidence.marks)
    said_again = find_said_again(text, mentions) if evidence.is_all else None
    return ([said_again], True) if said_again else (mentions, False)


def _counts_from_the_start(stated: Sequence[Mention], kept: Sequence[Mention]) -> bool:
    """Whether what is read of a long text begins within 1, 2, 3 …, so that what is not does too."""
    return stated[0] not in kept and len(stated) - len(kept) > len(kept)


def _pick(text: str, marks: Sequence[Clue], mentions: Sequence[Mention]) -> Sequence[Mention]:
    """What the marks of a kind point at; a later one stands for a result or one in doubt."""
    found: list[Mention] = []
    for mark in marks:
        pointed = list(_pointed_at(text, mark, mentions))
        if pointed and (mark.kind is Kind.RESULT or any(mention.fault for mention in found)):
            found = pointed
        else:
            found += [mention for mention in pointed if mention not in found]
    total = find_total(text, found)
    return [total] if total else found


def _pointed_at(text: str, mark: Clue, mentions: Sequence[Mention]) -> Iterator[Mention]:
    if mark.kind is Kind.RESULT and not _ends_formula(text, mark, mentions):
        return
    if mark.kind is Kind.TOTAL and (before := _total_before(text, mark, mentions)):
        yield before
        return
    lead = _LEAD.match(text, mark.end)
    start = lead.end() if lead else mark.end
    end = _END.search(text, start, start + _MAX_SENTENCE)
    stop = end.start() if end else start + _MAX_SENTENCE
    inside = [mention for mention in mentions if mark.end <= mention.start < stop]
    yield from inside[:1] if mark.kind is Kind.RESULT else inside


def _ends_formula(text: str, mark: Clue, mentions: Sequence[Mention]) -> bool:
    """Whether the mark is the "=" of a sum and not of a name: "3 + 4 = 7", "apples = 3"."""
    before = [mention for mention in mentions if mention.end <= mark.start]
    if len(before) < 2 or _NO_CLAUSE.search(text, before[-1].end, mark.start):
        return False
    return _OPERATOR.search(text, before[-2].end, before[-1].start) is not None


def _total_before(text: str, mark: Clue, mentions: Sequence[Mention]) -> Mention | None:
    """The number before "in total", where the clause ends there: "7 apples in total."."""
    before = [mention for mention in mentions if mention.end <= mark.start]
    if not before or not _CLAUSE_END.match(text, mark.end):
        return None
    last = before[-1]
    gap = text[last.end : mark.start]
    if len(gap) > _MAX_CLAUSE or _NO_CLAUSE.search(gap):
        return None
    if len(before) == 1 or not _JOINS.search(text, before[-2].end, last.start):
        return last
    return last if is_sum_of(last, before[:-1]) else None


def _is_last_word(mentions: Sequence[Mention], marked: Sequence[Mention]) -> bool:
    """Whether nothing of another value follows the marked ones, but for the parts of a sum."""
    values = {mention.value for mention in marked}
    after = [m for m in mentions if m.start > marked[-1].start and m.value not in values]
    return not after or (len(values) == 1 and is_sum_of(marked[0], after))
