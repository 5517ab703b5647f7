"""What reading an answer gives: a count, or the reason why there is none."""

from dataclasses import dataclass
from enum import Enum


class NoCountReason(Enum):
    """Why a text holds no count; the names are those of the contract."""

    EMPTY = "empty"
    NO_NUMBER = "no number"
    DECIMAL = "decimal"
    NEGATIVE = "negative"
    RANGE = "range"
    SEVERAL_COUNTS = "several counts"
    TOO_LARGE = "too large"


@dataclass(frozen=True, kw_only=True)
class ParsedCount:
    """Exactly one of `count` (0 to 1,000,000,000) and `reason` is set.

    `explanation` is a sentence for a person: what was found and, without a count, what would be
    right. `span` says from which character of the text to which (exclusive) the count stands; None
    where it has no place of its own.
    """

    count: int | None = None
    reason: NoCountReason | None = None
    explanation: str
    span: tuple[int, int] | None = None
