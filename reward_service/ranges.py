"""Two numbers that say one thing together: a range, a decimal or a fraction."""

import re
from collections.abc import Sequence

from reward_service.measure_words import MEASURE_WORDS
from reward_service.mention import Mention
from reward_service.parsed_count import NoCountReason

_MAX_GAP = 20
_RANGE_GAP = re.compile(
    rf"\s*[{MEASURE_WORDS}]?\s*(?:[-–—~]{{1,3}}|[,、]?(?:到|至|或者?是?|或[許许]是?|可能是?|还是|還是))\s*"
    r"|,?\s+(?:to|or|through|or maybe|or perhaps|or possibly|or even)\s+"
    r"|,?\s\(?(?:maybe|perhaps|possibly|could be|or)\s|\s[a-z]{2,12}\s(?:or|or maybe|or perhaps)\s",
)
_EQUALS = re.compile(r"\s?=")
_PART_GAP = re.compile(r"\s(?:out )?of\s(?:the |these |those |all |my )")
_BETWEEN_GAP = re.compile(r"\s+and\s+|[和與与跟]")
_BETWEEN = re.compile(r"(?:\bbetween\s{1,3}|介[於于]\s?)$")
_DECIMAL_GAP = re.compile(r"\s+point\s+|\s?[點点]\s?|\s?/\s?|分之")


def join_ranges(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """`mentions` with each pair that is a range, a decimal or a fraction as one faulty mention."""
    joined: list[Mention] = []
    for mention in mentions:
        fault = _fault_of_pair(text, joined[-1], mention) if joined else None
        if fault is None:
            joined.append(mention)
        else:
            joined[-1] = Mention(joined[-1].start, mention.end, fault=fault)
    return joined


def _fault_of_pair(text: str, first: Mention, second: Mention) -> NoCountReason | None:
    if second.start - first.end > _MAX_GAP:
        return None
    gap = text[first.end : second.start]
    if _DECIMAL_GAP.fullmatch(gap):
        return NoCountReason.DECIMAL
    if first.value is not None and first.value == second.value:
        return None  # "5 - five" says one count twice
    if first.value != 1 and _PART_GAP.fullmatch(gap):
        return NoCountReason.SEVERAL_COUNTS
    if _EQUALS.match(text, second.end):
        return None  # "10 - 3 = 7"
    is_range = _RANGE_GAP.fullmatch(gap) or (
        _BETWEEN_GAP.fullmatch(gap) and _BETWEEN.search(text, max(0, first.start - 12), first.start)
    )
    return NoCountReason.RANGE if is_range else None
