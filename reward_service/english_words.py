"""The English words and integers from a place of a text on, with what stands between them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_WORD = re.compile(r"([a-z]+(?:'[a-z]+)*|[0-9]+(?:[.,][0-9]+)*)([^a-z0-9]{0,4})")
# A word that is longer says nothing of numbers; the bound keeps a look at a word short.
_MAX_WORD = 40


class Word(NamedTuple):
    """A word or digits at `start` to `end`; `gap` is what stands before the next, or its start."""

    text: str
    start: int
    end: int
    gap: str

    @property
    def joins_by_space(self) -> bool:
        return bool(self.gap) and not self.gap.strip(" \t")

    @property
    def joins_by_hyphen(self) -> bool:
        return self.gap == "-"


def words_from(text: str, start: int) -> Iterator[Word]:
    """The words of a text in lower case from one that begins at `start`, while they join.

    Nothing longer than three characters joins two words.
    """
    match = _WORD.match(text, start, start + _MAX_WORD)
    while match is not None:
        word, gap = match.groups()
        yield Word(word, match.start(), match.end(1), gap)
        if not 0 < len(gap) <= 3:
            return
        match = _WORD.match(text, match.end(), match.end() + _MAX_WORD)
