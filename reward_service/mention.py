"""A number found in a text."""

from typing import NamedTuple

from reward_service.parsed_count import NoCountReason

MAX_COUNT = 1_000_000_000


class Mention(NamedTuple):
    """The characters `start` to `end` (exclusive) of a normal text, and what they say.

    Exactly one of `value` and `fault` is set. `strict` marks Chinese numerals that are as often
    part of a word ("三明治"): they count only before a measure word or on their own. `weak` marks
    what counts only where nothing else does: "2 of them", "in one bowl".
    """

    start: int
    end: int
    value: int | None = None
    fault: NoCountReason | None = None
    strict: bool = False
    weak: bool = False


def mention_of(start: int, end: int, value: int, *, strict: bool = False) -> Mention:
    """A mention of `value`, or of a number that is too large."""
    if value > MAX_COUNT:
        return Mention(start, end, fault=NoCountReason.TOO_LARGE, strict=strict)
    return Mention(start, end, value=value, strict=strict)
