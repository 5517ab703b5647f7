"""A number found in a text."""

from collections.abc import Iterable
from dataclasses import dataclass

from reward_service.parsed_count import NoCountReason

MAX_COUNT = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Mention:
    """The characters `start` to `end` (exclusive) of a normal text, and what they say.

    Exactly one of `value` and `fault` is set. `strict` marks Chinese numerals that are as often
    part of a word ("三明治"): they count only before a measure word or on their own.
    """

    start: int
    end: int
    value: int | None = None
    fault: NoCountReason | None = None
    strict: bool = False


def mention_of(start: int, end: int, value: int, *, strict: bool = False) -> Mention:
    """A mention of `value`, or of a number that is too large."""
    if value > MAX_COUNT:
        return Mention(start=start, end=end, fault=NoCountReason.TOO_LARGE, strict=strict)
    return Mention(start=start, end=end, value=value, strict=strict)


def without_overlaps(mentions: Iterable[Mention]) -> list[Mention]:
    """In order of the text; of two that overlap, the earlier, then the longer one stays."""
    kept: list[Mention] = []
    for mention in sorted(mentions, key=lambda m: (m.start, -m.end)):
        if not kept or mention.start >= kept[-1].end:
            kept.append(mention)
    return kept
