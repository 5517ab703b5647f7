"""The interval of each score of base and adapter, and of each difference. Pure.

Of a rate Wilson's, of the difference of rates Newcombe's, in which an image is one trial, however
many rows it has: so they are wide where little is known, also where every answer is right. Of any
other figure the paired bootstrap's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from learner_service.evaluation.bootstrap import Floats, paired_intervals
from learner_service.evaluation.paired_shares import difference_interval
from learner_service.evaluation.row_scores import SCORES, RowScores
from learner_service.evaluation.wilson import wilson_interval
from tally.job.comparison import Interval

ByScore = dict[str, Interval | None]


@dataclass(frozen=True, kw_only=True)
class ScoreIntervals:
    """By the names of SCORES; None where there is none. `resamples` are those of the bootstrap."""

    base: ByScore
    adapter: ByScore
    difference: ByScore
    resamples: int


def score_intervals(
    base: RowScores, adapter: RowScores, images: Sequence[str], seed: int
) -> ScoreIntervals:
    """`images` names the image of each row."""
    drawn = paired_intervals(base.values, adapter.values, images, seed)
    trials = len(set(images))
    return ScoreIntervals(
        base=_by_score(drawn.base) | rate_intervals(base, trials),
        adapter=_by_score(drawn.adapter) | rate_intervals(adapter, trials),
        difference=_by_score(drawn.difference) | _of_rate_differences(base, adapter, trials),
        resamples=drawn.resamples,
    )


def _by_score(ends: Floats) -> ByScore:
    """[2, M] in the order of SCORES."""
    pairs = zip(SCORES, ends.T.tolist(), strict=True)
    return {name: None if np.isnan(both).any() else (both[0], both[1]) for name, both in pairs}


def rate_intervals(scores: RowScores, trials: int) -> ByScore:
    """Of each rate, with so many images."""
    return {
        name: wilson_interval(float(hits.mean()), trials) for name, hits in _hits(scores).items()
    }


def _of_rate_differences(base: RowScores, adapter: RowScores, trials: int) -> ByScore:
    of_adapter = _hits(adapter)
    return {
        name: difference_interval(hits, of_adapter[name], trials)
        for name, hits in _hits(base).items()
    }


def _hits(scores: RowScores) -> dict[str, Floats]:
    """Of each rate which rows it counts, [N]."""
    return {name: hits for name, hits in scores.numerators.items() if name.endswith("_rate")}
