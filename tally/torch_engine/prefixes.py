"""Rows that have sampled the same tokens so far: one row of the model's batch, until they part.

Short answers to one question mostly begin alike, so that G completions of a prompt are for a while
a few rows only. Each row draws on its own from the distribution that it shares.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Moving places copies their own keys and values: worth it for a part of them, not for each.
_SHRINK_BELOW = 0.8

HasEnded = Callable[[Sequence[int]], bool]  # of a row's tokens
_Children = dict[tuple[int, int], int]  # place gone on from within the prompt, token → place


@dataclass(frozen=True, kw_only=True)
class Move:
    """The prompts kept, by their number among those held so far; and for each, from which of its
    places its new ones go on: as many for every prompt."""

    prompts: list[int]
    places: list[list[int]]


class Prefixes:
    """What P × G rows have sampled, by prompt, and where the model's batch holds each.

    The batch is [held prompts, places]. A prompt with fewer beginnings than another fills its
    places with one of its own again; what stands where no row goes on counts for nothing.
    """

    def __init__(self, prompts: int, group: int, has_ended: HasEnded) -> None:
        self.tokens: list[list[int]] = [[] for _ in range(prompts * group)]
        self.going = list(range(prompts * group))  # rows that have not ended
        self._group = group
        self._has_ended = has_ended
        self._held = list(range(prompts))
        self._width = 1
        self._place = [0] * len(self.tokens)  # within the row's prompt

    @property
    def places(self) -> list[int]:
        """Of every row that goes on, in the batch."""
        starts = {prompt: number * self._width for number, prompt in enumerate(self._held)}
        return [starts[row // self._group] + self._place[row] for row in self.going]

    def add(self, tokens: list[int]) -> None:
        """A token of every row that goes on; one that closes it ends it."""
        for row, token in zip(self.going, tokens, strict=True):
            self.tokens[row].append(token)
        self.going = [row for row in self.going if not self._has_ended(self.tokens[row])]

    def end(self, prompt: int) -> None:
        """Nobody waits for this prompt's rows any more."""
        self.going = [row for row in self.going if row // self._group != prompt]

    def advance(self) -> tuple[list[int], Move | None]:
        """→ the last token of every place, and how places move before it; None where none does."""
        children: dict[int, _Children] = {}
        for row in self.going:
            of_prompt = children.setdefault(row // self._group, {})
            of_prompt.setdefault((self._place[row], self.tokens[row][-1]), len(of_prompt))
        if self._may_stay(children):
            return self._stay(), None
        return self._move(children)

    def _may_stay(self, children: dict[int, _Children]) -> bool:
        """Where no two rows part, and few enough places are idle."""
        if any(len({place for place, _ in one}) < len(one) for one in children.values()):
            return False
        needed = len(children) * max(map(len, children.values()))
        return needed > _SHRINK_BELOW * len(self._held) * self._width

    def _stay(self) -> list[int]:
        tokens = [0] * (len(self._held) * self._width)
        for row, place in zip(self.going, self.places, strict=True):
            tokens[place] = self.tokens[row][-1]
        return tokens

    def _move(self, children: dict[int, _Children]) -> tuple[list[int], Move]:
        width = max(map(len, children.values()))
        kept = [number for number, prompt in enumerate(self._held) if prompt in children]
        filled = [_fill(list(children[self._held[number]]), width) for number in kept]
        for row in self.going:
            last = self._place[row], self.tokens[row][-1]
            self._place[row] = children[row // self._group][last]
        self._held = [self._held[number] for number in kept]
        self._width = width
        tokens = [token for one in filled for _, token in one]
        return tokens, Move(prompts=kept, places=[[place for place, _ in one] for one in filled])


def _fill(beginnings: list[tuple[int, int]], width: int) -> list[tuple[int, int]]:
    return beginnings + beginnings[:1] * (width - len(beginnings))
