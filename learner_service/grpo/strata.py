"""Rows in strata by what their last groups taught, and the places of a step each stratum has. Pure.

A row weighs a quarter as much for each of its last groups in a row that taught nothing, at most
four times. Strata share the places out by weight, as seats are by Webster's method, one at least
each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

_DEEPEST = 4
_WEIGHT = 0.25


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """Rows, a `share` of all, of which each is as likely as the others to get one of the `places`
    of a step; `weight` is what all of them weigh together."""

    rows: Sequence[int]
    share: float
    weight: float
    places: int = 1


def share_out(untaught: Sequence[int], places: int) -> list[Stratum]:
    """At most `places` strata, those that taught last, with as many places together as there are
    rows for; `untaught` says of each row how many of its last groups in a row taught nothing."""
    deepest = min(_DEEPEST, places - 1)
    strata = _put_small_ones_together(
        [_stratum(untaught, depth, deepest) for depth in range(deepest, -1, -1)], places
    )
    taken = [1] * len(strata)
    for _ in range(min(places, len(untaught)) - len(strata)):
        open_ones = [n for n, one in enumerate(strata) if taken[n] < len(one.rows)]
        taken[max(open_ones, key=lambda n: strata[n].weight / (2 * taken[n] + 1))] += 1
    return [replace(one, places=number) for one, number in zip(strata, taken, strict=True)]


def _stratum(untaught: Sequence[int], depth: int, deepest: int) -> Stratum:
    rows = [row for row, times in enumerate(untaught) if min(times, deepest) == depth]
    share = len(rows) / len(untaught)
    return Stratum(rows=rows, share=share, weight=len(rows) * _WEIGHT**depth)


def _put_small_ones_together(strata: Sequence[Stratum], places: int) -> list[Stratum]:
    """From the one that is worth least: what is worth less than a place goes with the next, so that
    a few rows are not asked all the time; but never with those that taught. None is empty."""
    worth_a_place = sum(one.weight for one in strata) / places
    together: list[Stratum] = []
    for stratum in strata[:-1]:
        is_small = together and together[-1].weight < worth_a_place
        together.append(_union(together.pop(), stratum) if is_small else stratum)
    return [one for one in (*together, strata[-1]) if one.rows]


def _union(one: Stratum, other: Stratum) -> Stratum:
    return Stratum(
        rows=[*one.rows, *other.rows],
        share=one.share + other.share,
        weight=one.weight + other.weight,
    )
