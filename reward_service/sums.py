"""Numbers that add up: "7 apples: 3 red and 4 green"."""

import re
from collections.abc import Sequence

from reward_service.mention import Mention
from reward_service.phrases import any_of, split

# What tells a part of what was counted from another thing: "3 on the left", "4 are green".
_PART_WORDS = """
of them|of these|of those|of which|of the|are|is|on|in|at|to|by|near|above|below|under|beside
behind|with|and|more|other|others|left|right|red|green|blue|yellow|orange|purple|pink|brown
black|white|gray|grey|golden|striped|ripe|unripe|big|small|large|little|tiny|tall|short|whole|cut|open|closed
full|empty|standing|sitting|lying|flying|male|female|adult|young|old|dark|light
"""
_PART_AFTER = re.compile(
    rf"\s{any_of(split(_PART_WORDS))}\b|\s?(?:[)+]|plus\b)"
    r"|[個个隻只顆颗朵]?(?:[是在為为]|[紅红綠绿藍蓝黃黄白黑大小][色的]?)"
)
_LISTS = re.compile(r"[:(=]|\bincluding\b|其中|包括")
_SUMS_UP = re.compile(r"[:=]\s*$")


def is_sum_of(total: Mention, parts: Sequence[Mention]) -> bool:
    """Whether `total` is the sum of two or more parts, none of them in doubt."""
    values = [part.value for part in parts if part.value is not None]
    return 1 < len(values) == len(parts) and total.value == sum(values)


def find_total(text: str, mentions: Sequence[Mention]) -> Mention | None:
    """The first or the last mention, where it is the sum of the others and these are its parts."""
    if len(mentions) > 3 and text[mentions[0].end : mentions[1].start].strip() == "(":
        mentions = [mentions[0], *mentions[2:]]  # "three (3) apples: one red and two green"
    if len(mentions) < 3:
        return None
    first, last = mentions[0], mentions[-1]
    if is_sum_of(first, mentions[1:]) and (
        _LISTS.search(text, first.end, mentions[1].start) or _are_parts(text, mentions[1:])
    ):
        return first
    if is_sum_of(last, mentions[:-1]) and (
        _SUMS_UP.search(text[mentions[-2].end : last.start]) or _are_parts(text, mentions[:-1])
    ):
        return last
    return None


def _are_parts(text: str, mentions: Sequence[Mention]) -> bool:
    return all(_PART_AFTER.match(text, mention.end) for mention in mentions)
