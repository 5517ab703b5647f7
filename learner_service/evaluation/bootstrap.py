"""Intervals of scores by a paired bootstrap (Efron & Tibshirani 1993, chapter 13). Pure.

An image is drawn with all its rows, and with the answers of both models to them: rows of one
image are no independent evidence, and the difference is one between answers to equal questions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_MOST_RESAMPLES = 10_000
_FEWEST_RESAMPLES = 1_000
_MOST_DRAWS = 20_000_000
_MOST_TOGETHER = 250
_MOST_WEIGHTS_TOGETHER = 5_000_000

Floats = NDArray[np.float64]
# Of R weighted sets of N rows, [R, N], the M figures of each, [R, M].
Figures = Callable[[Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Lower and upper ends, [2, M] each: of base, of adapter, and of adapter minus base."""

    base: Floats
    adapter: Floats
    difference: Floats
    resamples: int


def paired_intervals(
    base: Figures, adapter: Figures, images: Sequence[str], seed: int
) -> Intervals:
    """Percentile intervals at CONFIDENCE; `images` names the image of each row."""
    names, image_of_row = np.unique(np.array(images), return_inverse=True)
    number = len(names)
    resamples = max(_FEWEST_RESAMPLES, min(_MOST_RESAMPLES, _MOST_DRAWS // number))
    together = max(1, min(_MOST_TOGETHER, _MOST_WEIGHTS_TOGETHER // len(images)))
    generator = np.random.default_rng(seed)
    drawn_base, drawn_adapter = [], []
    for start in range(0, resamples, together):
        size = min(together, resamples - start)
        weights = generator.multinomial(number, np.full(number, 1 / number), size).astype(float)
        drawn_base.append(base(weights[:, image_of_row]))
        drawn_adapter.append(adapter(weights[:, image_of_row]))
    values_base, values_adapter = np.concatenate(drawn_base), np.concatenate(drawn_adapter)
    return Intervals(
        base=_ends(values_base),
        adapter=_ends(values_adapter),
        difference=_ends(values_adapter - values_base),
        resamples=resamples,
    )


def mean_interval(values: Sequence[float], seed: int) -> tuple[float, float] | None:
    """The percentile interval of a mean at CONFIDENCE; None of fewer than two values."""
    if len(values) < 2:
        return None
    generator = np.random.default_rng(seed)
    drawn = generator.choice(np.array(values), (_FEWEST_RESAMPLES, len(values)))
    low, high = _ends(drawn.mean(axis=1, keepdims=True))[:, 0].tolist()
    return low, high


def _ends(values: Floats) -> Floats:
    """[R, M] → [2, M]; a score that no resample has gets NaN."""
    outside = (1 - CONFIDENCE) / 2
    ends = np.full((2, values.shape[1]), np.nan)
    for column, of_score in enumerate(values.T):
        known = of_score[~np.isnan(of_score)]
        if len(known):
            ends[:, column] = np.quantile(known, [outside, 1 - outside])
    return ends
