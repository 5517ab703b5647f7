"""What scored answers come to: each figure of EvaluationScores, computed here alone. Pure.

Steps, preflight, held-out answers and comparisons take them from here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learner_service.clients.rewards import Score
from learner_service.evaluation.bootstrap import Floats
from tally.job.comparison import FAR_OFF_ABOVE, EvaluationScores

SCORES = tuple(field.name for field in fields(EvaluationScores))
MEDIAN = "median_absolute_count_error"
ROOT = "root_mean_square_count_error"


@dataclass(frozen=True, kw_only=True)
class RowScores:
    """N scored answers. Each figure but the median is sum(numerators) / sum(denominators), or the
    root of that.

    numerators, denominators: by name, [N]; errors: of the answers that hold a count, ascending,
    [H]; row_of_error: [H].
    """

    numerators: dict[str, Floats]
    denominators: dict[str, Floats]
    errors: Floats
    row_of_error: NDArray[np.int64]

    def values(self, weights: Floats | None = None) -> Floats:
        """The figures in the order of SCORES, [M], or with weights [R, N] those of R sets in which
        a row is as often as its weight says, [R, M].

        NaN where nothing is left to divide by.
        """
        if weights is None:
            rows = len(self.numerators[SCORES[0]])
            whole: Floats = self.values(np.ones((1, rows)))[0]
            return whole
        columns = self._ratios(weights)
        columns[ROOT] = np.sqrt(columns[ROOT])
        columns[MEDIAN] = weighted_medians(self.errors, weights[:, self.row_of_error])
        return np.stack([columns[name] for name in SCORES], axis=1)

    def _ratios(self, weights: Floats) -> dict[str, Floats]:
        """[R] by name."""
        above, below = (
            weights @ np.stack(list(parts.values()), axis=1)
            for parts in (self.numerators, self.denominators)
        )
        with np.errstate(invalid="ignore"):
            return dict(zip(self.numerators, (above / below).T, strict=True))


def row_scores(scores: Sequence[Score]) -> RowScores:
    """Errors only of those that hold a count."""
    held = np.array([score.count is not None for score in scores], dtype=float)
    off = np.array([score.difference or 0 for score in scores], dtype=float)
    reward = np.array([score.reward for score in scores], dtype=float)
    shares = {
        "exact_rate": held * (off == 0),
        "within_one_rate": held * (off <= 1),
        "far_off_rate": held * (off > FAR_OFF_ABOVE),
        "parse_failure_rate": 1 - held,
    }
    of_all = {**shares, "reward_mean": reward}
    of_held = {"mean_absolute_count_error": off, ROOT: off**2}
    rows_held = np.flatnonzero(held)
    row_of_error = rows_held[np.argsort(off[rows_held], kind="stable")]
    return RowScores(
        numerators={**of_all, **of_held},
        denominators={
            **dict.fromkeys(of_all, np.ones(len(scores))),
            **dict.fromkeys(of_held, held),
        },
        errors=off[row_of_error],
        row_of_error=row_of_error,
    )


def weighted_medians(values: Floats, weights: Floats) -> Floats:
    """The median of ascending values [H], each as often as its whole weight says, [R, H] → [R]; NaN
    where all weights are 0."""
    if not len(values):
        return np.full(len(weights), math.nan)
    reached = np.cumsum(weights, axis=1)
    total = reached[:, -1]
    half = total[:, np.newaxis] / 2
    lower = (reached < half).sum(axis=1)
    upper = np.minimum((reached <= half).sum(axis=1), len(values) - 1)
    return np.where(total > 0, (values[lower] + values[upper]) / 2, math.nan)


def scores_of(values: Floats) -> EvaluationScores:
    """[M] in the order of SCORES; None where there is no number."""
    return EvaluationScores(**figures(values))


def figures(values: Floats) -> dict[str, Any]:
    """By name; None where there is no number."""
    pairs = zip(SCORES, values, strict=True)
    return {name: float(value) if math.isfinite(value) else None for name, value in pairs}
