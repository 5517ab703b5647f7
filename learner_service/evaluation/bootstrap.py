"""Intervals of scores by a paired bootstrap (Efron & Tibshirani 1993, chapter 13). Pure.

An image is drawn with all its rows, and with the answers of both models to them: rows of one
image are no independent evidence, and the difference is one between answers to equal questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_MOST_RESAMPLES = 10_000
_FEWEST_RESAMPLES = 1_000
_MOST_DRAWS = 20_000_000
_CHUNK = 250

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RatioScores:
    """M scores of N rows, each the root or the value of sum(numerators) / sum(denominators).

    numerators, denominators: [N, M]; is_root: [M].
    """

    numerators: Floats
    denominators: Floats
    is_root: NDArray[np.bool_]

    def values(self, weights: Floats | None = None) -> Floats:
        """The scores, [M], or with weights [R, N] those of R weighted sets of rows, [R, M].

        NaN where nothing is left to divide by.
        """
        if weights is None:
            whole: Floats = self.values(np.ones((1, len(self.numerators))))[0]
            return whole
        with np.errstate(invalid="ignore"):
            ratios = (weights @ self.numerators) / (weights @ self.denominators)
            return np.where(self.is_root, np.sqrt(ratios), ratios)

    def by_group(self, group_of_row: NDArray[np.int64], groups: int) -> "RatioScores":
        """The same scores with the rows of a group added up to one."""
        shape = (groups, self.numerators.shape[1])
        numerators, denominators = np.zeros(shape), np.zeros(shape)
        np.add.at(numerators, group_of_row, self.numerators)
        np.add.at(denominators, group_of_row, self.denominators)
        return RatioScores(numerators=numerators, denominators=denominators, is_root=self.is_root)


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Lower and upper ends, [2, M] each: of base, of adapter, and of adapter minus base."""

    base: Floats
    adapter: Floats
    difference: Floats
    resamples: int


def paired_intervals(
    base: RatioScores, adapter: RatioScores, images: Sequence[str], seed: int
) -> Intervals:
    """Percentile intervals at CONFIDENCE; `images` names the image of each row."""
    names, image_of_row = np.unique(np.array(images), return_inverse=True)
    number = len(names)
    of_base = base.by_group(image_of_row, number)
    of_adapter = adapter.by_group(image_of_row, number)
    resamples = max(_FEWEST_RESAMPLES, min(_MOST_RESAMPLES, _MOST_DRAWS // number))
    generator = np.random.default_rng(seed)
    drawn_base, drawn_adapter = [], []
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        weights = generator.multinomial(number, np.full(number, 1 / number), size).astype(float)
        drawn_base.append(of_base.values(weights))
        drawn_adapter.append(of_adapter.values(weights))
    values_base, values_adapter = np.concatenate(drawn_base), np.concatenate(drawn_adapter)
    return Intervals(
        base=_ends(values_base),
        adapter=_ends(values_adapter),
        difference=_ends(values_adapter - values_base),
        resamples=resamples,
    )


def _ends(values: Floats) -> Floats:
    """[R, M] → [2, M]; a score that no resample has gets NaN."""
    outside = (1 - CONFIDENCE) / 2
    ends = np.full((2, values.shape[1]), np.nan)
    for column, of_score in enumerate(values.T):
        known = of_score[~np.isnan(of_score)]
        if len(known):
            ends[:, column] = np.quantile(known, [outside, 1 - outside])
    return ends
