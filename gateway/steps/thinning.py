"""Fewer points for a curve than it has steps."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any

Step = Mapping[str, Any]


def thin(steps: Sequence[Step], max_points: int) -> list[Step]:
    """At most `max_points` of the steps: the last as it is, means of neighbours before it."""
    if len(steps) <= max_points:
        return list(steps)
    if max_points == 1:
        return [steps[-1]]
    size = ceil((len(steps) - 1) / (max_points - 1))
    return [*(_mean(group) for group in _groups(steps[:-1], size)), steps[-1]]


def _groups(steps: Sequence[Step], size: int) -> Iterator[Sequence[Step]]:
    return (steps[start : start + size] for start in range(0, len(steps), size))


def _mean(group: Sequence[Step]) -> Step:
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
