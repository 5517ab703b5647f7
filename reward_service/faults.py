"""Words around a number that make it no count: "minus 3", "at least 3", "3 and a half", 三十多."""

import re

from reward_service.measure_words import MEASURE_WORDS
from reward_service.mention import Mention
from reward_service.parsed_count import NoCountReason

# Enough to see the longest phrase below; a fixed window keeps the search linear in the text.
_WINDOW = 24

_NEGATIVE_BEFORE = re.compile(r"(?:[-–]|\b(?:minus|negative)\s{1,3}|[負负]\s?)$", re.IGNORECASE)
_BOUND_BEFORE = re.compile(
    r"(?:\b(?:at (?:least|most)|(?:more|less|fewer) than|up to)\s{1,3}"
    r"|(?:至少|最少|至多|最多|超過|超过|不到|不足|[多少大小][於于])有?\s?)$",
    re.IGNORECASE,
)
_HALF_AFTER = re.compile(rf"\s{{1,3}}and (?:a|one)[ -]half\b|[{MEASURE_WORDS}]?半", re.IGNORECASE)
_BOUND_AFTER = re.compile(
    rf"\s?\+|\s{{1,3}}or (?:more|fewer|less)\b|[{MEASURE_WORDS}]?以[上下]", re.IGNORECASE
)
_ODD_AFTER = re.compile(rf"[多幾几餘余]|[來来][{MEASURE_WORDS}]")
_BEFORE = ((NoCountReason.NEGATIVE, _NEGATIVE_BEFORE), (NoCountReason.RANGE, _BOUND_BEFORE))
_AFTER = ((NoCountReason.DECIMAL, _HALF_AFTER), (NoCountReason.RANGE, _BOUND_AFTER))


def with_fault(text: str, mention: Mention) -> Mention:
    """The mention, or the fault that its neighbours make of it, widened by those words."""
    if mention.fault is not None:
        return mention
    before = text[max(0, mention.start - _WINDOW) : mention.start]
    after = text[mention.end : mention.end + _WINDOW]
    for fault, pattern in _BEFORE:
        if match := pattern.search(before):
            start = mention.start - len(match.group())
            return Mention(start=start, end=mention.end, fault=fault)
    for fault, pattern in _AFTER:
        if match := pattern.match(after):
            return Mention(start=mention.start, end=mention.end + match.end(), fault=fault)
    if (match := _ODD_AFTER.match(after)) and (not mention.strict or mention.value == 10):
        end = mention.end + match.end()
        return Mention(start=mention.start, end=end, fault=NoCountReason.RANGE)
    return mention
