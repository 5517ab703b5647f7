"""Learning curves and what may be said of two of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, pstdev, stdev

GOAL = 0.90


@dataclass(frozen=True, kw_only=True)
class Point:
    """An adapter after `step` steps and `seconds` of training: which held-out answers are right."""

    step: int
    seconds: float
    right: list[bool]

    @property
    def exact_rate(self) -> float:
        return fmean(self.right)


def seconds_to_goal(points: Sequence[Point]) -> float:
    """Infinite where the goal was not reached."""
    return next((p.seconds for p in points if p.exact_rate >= GOAL), float("inf"))


def difference(
    tally: Sequence[Point], trl: Sequence[Point], examinations: int
) -> tuple[float, float]:
    """Tally's exact rate less TRL's over all seeds at one step, and how much of it may be noise.

    Pairs are the answers of both sides to one scene. The standard error is that of the pairs, or
    that between the seeds where it is larger: a scene's answers of one run are not independent.
    With 95% probability none of all `examinations` falls short by more than the noise where the
    sides are equally good (Bonferroni).
    """
    pairs = [
        a - b
        for x, y in zip(tally, trl, strict=True)
        for a, b in zip(x.right, y.right, strict=True)
    ]
    by_seed = [x.exact_rate - y.exact_rate for x, y in zip(tally, trl, strict=True)]
    errors = [pstdev(pairs) / sqrt(len(pairs))]
    if len(by_seed) > 1:
        errors.append(stdev(by_seed) / sqrt(len(by_seed)))
    return fmean(pairs), NormalDist().inv_cdf(1 - 0.05 / examinations) * max(errors)
