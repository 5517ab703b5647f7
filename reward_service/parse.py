"""Answer text to count.

Of the numbers in an answer, those in the documented form ("A photo of 3 apples") decide where
there are any; otherwise all of them do. They are a count when all of them say the same.
"""

from collections.abc import Sequence
from dataclasses import replace

from reward_service.clues import find_clues
from reward_service.conclusion import decide
from reward_service.documented_form import (
    EXAMPLE,
    find_last_forms,
    has_article_form,
    mentions_in_form,
)
from reward_service.markup import marked_part, without_markup
from reward_service.mention import MAX_COUNT, Mention
from reward_service.normal_text import normal_text, span_before
from reward_service.parsed_count import NoCountReason, ParsedCount
from reward_service.reading import read_evidence

__all__ = ["NoCountReason", "ParsedCount", "parse_count"]

_MAX_QUOTED = 40
_SHOWN_COUNTS = 4
_FAULTS = {
    NoCountReason.DECIMAL: "has a fractional part; a count is a whole number",
    NoCountReason.NEGATIVE: "is below zero; a count is 0 or more",
    NoCountReason.RANGE: "gives a range; state one count",
    NoCountReason.SEVERAL_COUNTS: "may be said of each or of both; state one count",
    NoCountReason.TOO_LARGE: f"is too large; a count is at most {MAX_COUNT:,}",
}


def parse_count(text: str) -> ParsedCount:
    """Reads the count of an answer of any length, in time linear in it; never raises."""
    normal = shown = normal_text(text)
    plain = shown.lower()
    part = marked_part(plain) or (0, len(plain))
    shown, plain = shown[slice(*part)], plain[slice(*part)]
    if not plain.strip():
        return _no_count(NoCountReason.EMPTY, f"The answer is empty; write {EXAMPLE}.")
    parsed = _read(shown, without_markup(plain))
    if parsed.span is None:
        return parsed
    start, end = (part[0] + place for place in parsed.span)
    return replace(parsed, span=span_before(text, normal, start, end))


def _read(shown: str, plain: str) -> ParsedCount:
    """The count of a text without markup in lower case; `shown` is what is quoted from."""
    clues, is_all = find_clues(plain)
    if not is_all:
        forms, in_form = find_last_forms(plain)
        if in_form:
            # Read from lines of its own, so that its places are not those of the text.
            return replace(_judge(forms, in_form, is_one=True), span=None)
    evidence = read_evidence(plain, clues, is_all=is_all)
    if evidence.mentions:
        if in_form := mentions_in_form(plain, evidence.mentions):
            return _judge(shown, in_form, is_one=True)
        deciding, is_one = decide(plain, evidence)
        return _judge(shown, deciding, is_one=is_one)
    if has_article_form(plain):
        explanation = 'The count is 1, read from the article after "a photo of".'
        return ParsedCount(count=1, explanation=explanation)
    message = f"No number of things was found; write one, as in {EXAMPLE}."
    return _no_count(NoCountReason.NO_NUMBER, message)


def _judge(text: str, mentions: Sequence[Mention], *, is_one: bool) -> ParsedCount:
    """The count of the deciding mentions; where they agree, `is_one` says if it is of one thing."""
    faulty = next((mention for mention in mentions if mention.fault is not None), None)
    if faulty is not None and faulty.fault is not None:
        message = f"{_quote(text, faulty)} {_FAULTS[faulty.fault]}, as in {EXAMPLE}."
        return _no_count(faulty.fault, message)
    counts = list(dict.fromkeys(m.value for m in mentions if m.value is not None))
    if len(counts) > 1:
        shown = ", ".join(str(count) for count in counts[:_SHOWN_COUNTS])
        rest = " and more" if len(counts) > _SHOWN_COUNTS else ""
        message = (
            f"Several different counts were found ({shown}{rest}); write one, as in {EXAMPLE}."
        )
        return _no_count(NoCountReason.SEVERAL_COUNTS, message)
    if not is_one:
        message = f"{_quote(text, mentions[0])} is not the only count; write one, as in {EXAMPLE}."
        return _no_count(NoCountReason.SEVERAL_COUNTS, message)
    first = mentions[0]
    explanation = f"The count is {counts[0]}, read from {_quote(text, first)}."
    span = first.start, first.end
    return ParsedCount(count=counts[0], explanation=explanation, span=span)


def _no_count(reason: NoCountReason, explanation: str) -> ParsedCount:
    return ParsedCount(reason=reason, explanation=explanation)


def _quote(text: str, mention: Mention) -> str:
    """The mention in quotes, on one line, its end left out if it is long."""
    quoted = text[mention.start : mention.end]
    if len(quoted) > 1:
        quoted = " ".join(quoted.split())
    if len(quoted) > _MAX_QUOTED:
        quoted = f"{quoted[:_MAX_QUOTED]}…"
    return f'"{quoted}"'
