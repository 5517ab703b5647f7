"""Learning curves and what may be said of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, pstdev, stdev

# Of what can be gained, what a side is timed to.
SHARES = {"half": 0.5, "nine tenths": 0.9}


@dataclass(frozen=True, kw_only=True)
class Point:
    """An adapter after `step` steps and `seconds` of training: which held-out answers are right,
    or how often each is."""

    step: int
    seconds: float
    right: Sequence[float]

    @property
    def exact_rate(self) -> float:
        return fmean(self.right)


Run = Sequence[Point]  # of one side and one seed, the base's answers first, at step 0


def first_at(run: Run, rate: float, *, neighbours: int = 0) -> Point | None:
    """Where `rate` is reached first by the mean over a point and `neighbours` on either side;
    None where it isn't."""
    rates = [point.exact_rate for point in run]
    for number, point in enumerate(run):
        if fmean(rates[max(0, number - neighbours) : number + neighbours + 1]) >= rate:
            return point
    return None


def plateau(run: Run, *, before: int = 0) -> Point:
    """The last quarter of the examinations as one point, or the quarter that lies `before`
    quarters earlier: how often each answer is right in it."""
    taught = run[1:]
    size = max(1, len(taught) // 4)
    end = len(taught) - before * size
    quarter = taught[max(0, end - size) : max(1, end)]
    right = [fmean(of_scene) for of_scene in zip(*(point.right for point in quarter), strict=True)]
    return Point(step=quarter[-1].step, seconds=quarter[-1].seconds, right=right)


def gain_goals(sides: Sequence[Sequence[Run]]) -> dict[str, float]:
    """Exact rates at SHARES of the way from the base's to the best side's plateau, over all seeds.

    All sides are held to the same ones.
    """
    base = fmean(runs[0][0].exact_rate for runs in sides)
    best = max(fmean(plateau(run).exact_rate for run in runs) for runs in sides)
    return {name: base + share * (best - base) for name, share in SHARES.items()}


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
