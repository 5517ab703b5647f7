"""Groups in two parts, the second only where the first teaches: docs/algorithm.md. Pure.

Which completions of a whole group came first says nothing of it: any `number` of them might have.
The share of such choices whose rewards differ is the probability that a group of these rewards
becomes whole, and one over it what it counts.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb


@dataclass(frozen=True, kw_only=True)
class FirstCompletions:
    """That `number` completions were sampled before it was decided whether there are all `of`."""

    number: int
    of: int


def share_that_differs(rewards: Sequence[float], number: int) -> float:
    """Of all choices of `number` of these rewards, those that are not of one value. In [0, 1].

    Above 0 wherever the rewards differ at all, and `number` is 2 or more.

    Example:
        >>> share_that_differs([1, 0, 0, 0], 2)  # 3 of 6 pairs have the 1
        0.5
    """
    alike = sum(comb(times, number) for times in Counter(rewards).values())
    return 1 - alike / comb(len(rewards), number)


def share_sampled(rewards: Sequence[float], number: int) -> float:
    """Of completions of these rewards, what is expected to be sampled where `number` of them come
    first; all where `number` is 0."""
    if not number:
        return 1.0
    rest = (len(rewards) - number) * share_that_differs(rewards, number)
    return (number + rest) / len(rewards)
