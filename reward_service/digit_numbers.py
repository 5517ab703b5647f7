"""Numbers in digits: "3", "1,234", "2.5", "½"."""

import re

from reward_service.mention import Mention, mention_of
from reward_service.parsed_count import NoCountReason

DIGITS = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])|[0-9]++)(?:(?:\.[0-9]++)++|[¼-¾⅐-⅞])?|[¼-¾⅐-⅞]"
_WHOLE = re.compile(r"[0-9,]+")
# Python refuses to convert very long digits, and no count needs more than these.
_MAX_DIGITS = 12


def read_digits(text: str, start: int, end: int) -> Mention:
    """The number that DIGITS found there; a fraction is a fault."""
    starts_with_point = _starts_with_point(text, start)
    if not starts_with_point and _WHOLE.fullmatch(text, start, end):
        return mention_of(start, end, digits_value(text[start:end]))
    return Mention(start - starts_with_point, end, fault=NoCountReason.DECIMAL)


def digits_value(digits: str) -> int:
    """The value of digits with or without separators; a large number for very long ones."""
    if len(digits) < _MAX_DIGITS:
        return int(digits.replace(",", ""))
    significant = digits.replace(",", "").lstrip("0") or "0"
    return int(significant[:_MAX_DIGITS])


def _starts_with_point(text: str, start: int) -> bool:
    """Whether a number like ".5" begins there, and not what follows an ellipsis or a word."""
    if start == 0 or text[start - 1] != ".":
        return False
    return start == 1 or text[start - 2] in " \t\n([:="
