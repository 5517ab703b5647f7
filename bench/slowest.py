"""A search for what is slowest to read: fragments are put together, and what costs most is kept."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_KEPT, _MOST_FRAGMENTS = 24, 40
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Candidate(Generic[T]):
    """Fragments that make an input when repeated, and what a unit of it costs."""

    fragments: tuple[T, ...]
    cost: float


def search(
    fragments: Sequence[T], cost_of: Callable[[Sequence[T]], float], *, seed: int, minutes: float
) -> list[Candidate[T]]:
    """The costliest candidates that are found within the minutes, the costliest first."""
    chance = random.Random(seed)
    kept = [Candidate(fragments=(one,), cost=cost_of((one,))) for one in fragments]
    ends = time.monotonic() + minutes * 60
    while time.monotonic() < ends:
        kept = sorted(kept, key=lambda candidate: -candidate.cost)[:_KEPT]
        parent, other = chance.choice(kept).fragments, chance.choice(kept).fragments
        child = _mutate(chance, parent, other, fragments)
        kept.append(Candidate(fragments=child, cost=cost_of(child)))
    return sorted(kept, key=lambda candidate: -candidate.cost)


def _mutate(
    chance: random.Random, parent: tuple[T, ...], other: tuple[T, ...], fragments: Sequence[T]
) -> tuple[T, ...]:
    child = list(parent)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(child) + 1)
        change = chance.random()
        if change < 0.4:
            child.insert(place, chance.choice(fragments))
        elif change < 0.6 and len(child) > 1:
            del child[place % len(child)]
        elif change < 0.8:
            child[place % len(child)] = chance.choice(fragments)
        else:
            child[place:] = other[chance.randrange(len(other)) :]
    return tuple(child[:_MOST_FRAGMENTS]) or parent
