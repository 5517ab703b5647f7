"""A text as English words and integers, with what stands between them."""

import re
from dataclasses import dataclass

_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*|[0-9]+(?:[.,][0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Word:
    """A lower-case word or digits at `start` to `end`; `gap` is what stands before the next.

    Nothing longer than three characters joins two words, so that a longer gap is given as "…".
    """

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


def english_words(text: str) -> list[Word]:
    """Every word in order, linear in the text."""
    matches = list(_WORD.finditer(text))
    nexts = [match.start() for match in matches[1:]] + [len(text)]
    return [
        Word(
            text=match.group().lower(),
            start=match.start(),
            end=match.end(),
            gap=text[match.end() : following] if following - match.end() <= 3 else "…",
        )
        for match, following in zip(matches, nexts, strict=False)
    ]
