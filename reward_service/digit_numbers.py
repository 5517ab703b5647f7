"""Numbers in digits: "3", "1,234", "2.5", "½"."""

import re
from collections.abc import Iterator

from reward_service.mention import Mention, mention_of
from reward_service.parsed_count import NoCountReason

_NUMBER = re.compile(
    r"(?P<whole>[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
    r"(?P<fraction>(?:\.[0-9]+)+|[¼-¾⅐-⅞])?"
    r"|[¼-¾⅐-⅞]"
)
# Python refuses to convert very long digits, and no count needs more than these.
_MAX_DIGITS = 12


def find_digit_numbers(text: str) -> Iterator[Mention]:
    """Every number in digits, labels and dates included, in order; linear in the text."""
    for match in _NUMBER.finditer(text):
        start, whole = match.start(), match["whole"]
        starts_with_point = _starts_with_point(text, start)
        if whole is not None and not match["fraction"] and not starts_with_point:
            yield mention_of(start, match.end(), digits_value(whole))
        else:
            fault = NoCountReason.DECIMAL
            yield Mention(start=start - starts_with_point, end=match.end(), fault=fault)


def digits_value(digits: str) -> int:
    """The value of digits with or without separators; a large number for very long ones."""
    significant = digits.replace(",", "").lstrip("0") or "0"
    return int(significant[:_MAX_DIGITS])


def _starts_with_point(text: str, start: int) -> bool:
    """Whether a number like ".5" begins there, and not what follows an ellipsis or a word."""
    if start == 0 or text[start - 1] != ".":
        return False
    return start == 1 or text[start - 2] in " \t\n([:="
