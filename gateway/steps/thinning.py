"""Fewer points for a curve than it has steps."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any, TypeVar

Step = Mapping[str, Any]
T = TypeVar("T")


def group_neighbours(steps: Sequence[T], max_points: int) -> Iterator[tuple[T, ...]]:
    """At most `max_points` groups of neighbours, the last step by itself. As steps are added,
    groups stay what they are until all become larger.

    >>> list(group_neighbours("abcdefg", 4))
    [('a', 'b'), ('c', 'd'), ('e', 'f'), ('g',)]
    """
    before = steps[:-1] if max_points > 1 else ()
    size = max(1, ceil(len(before) / max(1, max_points - 1)))
    yield from (tuple(before[start : start + size]) for start in range(0, len(before), size))
    yield tuple(steps[-1:])


def mean(group: Sequence[Step]) -> Step:
    """The group's last step number, and the means of what was finite in it."""
    means = {name: _mean_of([step.get(name) for step in group]) for name in group[-1]}
    return means | {"step": group[-1]["step"]}


def _mean_of(figures: Sequence[Any]) -> Any:
    """Of numbers, or of each name's numbers."""
    by_name = [figure for figure in figures if isinstance(figure, Mapping)]
    if not by_name:
        return _finite_mean(figures)
    names = dict.fromkeys(name for figure in by_name for name in figure)
    return {name: _finite_mean([one.get(name) for one in by_name]) for name in names}


def _finite_mean(values: Sequence[float | None]) -> float | None:
    finite = [value for value in values if value is not None]
    return sum(finite) / len(finite) if finite else None
