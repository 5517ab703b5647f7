"""The places of a text that its reading begins at: numbers, and words that tell what they say.

One pattern finds them, so that a text of any length is gone through once and in C. Only the last
ones are looked at closely, so that the work beyond that is bounded, whatever the text.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from reward_service.chinese_numbers import NUMERALS
from reward_service.clue_words import ENGLISH, HAN, HAN_PATTERNS, SIGNS, Kind
from reward_service.digit_numbers import DIGITS
from reward_service.phrases import any_of

MAX_CLUES = 32

# What a match is, a pattern each, tried in this order; words (None) are told by what follows them.
# Most begin with a look at one character, so that what they can't match is left at once.
_PATTERNS = [
    (None, rf"(?<![a-z'])(?=[a-z]){any_of(ENGLISH)}(?![a-z]|'[a-z])"),
    (Kind.NUMERALS, rf"(?=[0-9]){NUMERALS}"),
    (Kind.DIGITS, DIGITS),
    *((kind, f"(?=[一-龥]|^\\s){part}") for kind, part in HAN_PATTERNS.items()),
    (None, rf"(?=[^\x00-\x7f]){any_of(HAN)}"),
    (Kind.NUMERALS, rf"(?=[^\x00-\x7f]){NUMERALS}"),
    *SIGNS.items(),
]
_CLUE = re.compile("|".join(f"({part})" for _, part in _PATTERNS))
# By the number of the group that matched; groups count from 1.
_KINDS = dict(enumerate((kind for kind, _ in _PATTERNS), start=1))


class Clue(NamedTuple):
    """What stands at `start` to `end` of a text."""

    kind: Kind
    start: int
    end: int


def find_clues(text: str) -> tuple[list[Clue], bool]:
    """The last clues of a text in lower case, and whether these are all; MAX_CLUES at most."""
    matches = deque(_CLUE.finditer(text), maxlen=MAX_CLUES + 1)
    is_all = len(matches) <= MAX_CLUES
    if not is_all:
        matches.popleft()
    return list(_clues(text, matches)), is_all


def _clues(text: str, matches: Iterable[re.Match[str]]) -> Iterator[Clue]:
    for match in matches:
        kind, end = _KINDS[match.lastindex or 0], match.end()
        if kind is None:
            kind, end = _kind_of_word(text, match.group(), end)
        if kind is not None:
            yield Clue(kind, match.start(), end)


def _kind_of_word(text: str, word: str, end: int) -> tuple[Kind | None, int]:
    """What a word is by what follows it, and where that ends."""
    for kind, then in ENGLISH[word] if word.isascii() else HAN[word]:
        if then is None:
            return kind, end
        if match := then.match(text, end):
            return kind, match.end()
    return None, end
