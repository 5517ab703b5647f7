"""Newcombe's interval of the difference of two shares of the same things. Pure.

Statistics in Medicine 17, 1998, pages 2635 to 2650, method 10: the sides of Wilson's intervals,
added up as the two go together. Where both are always right it is not from 0 to 0.
"""

import math

import numpy as np

from learner_service.evaluation.bootstrap import Floats
from learner_service.evaluation.wilson import wilson_interval
from tally.job.comparison import Interval


def difference_interval(base: Floats, adapter: Floats, trials: int) -> Interval:
    """Of the share of ones in `adapter` less that in `base`, of the same rows, [N] each.

    `trials`: how many of the rows are evidence of their own.

    Example:
        >>> import numpy as np
        >>> low, high = difference_interval(np.ones(6), np.ones(6), 6)
        >>> round(low, 2), round(high, 2)
        (-0.39, 0.39)
    """
    share_base, share_adapter = float(base.mean()), float(adapter.mean())
    low_base, high_base = wilson_interval(share_base, trials)
    low_adapter, high_adapter = wilson_interval(share_adapter, trials)
    together = _correlation(base, adapter, trials)
    down = _side(share_adapter - low_adapter, high_base - share_base, together)
    up = _side(high_adapter - share_adapter, share_base - low_base, together)
    difference = share_adapter - share_base
    return difference - down, difference + up


def _side(of_adapter: float, of_base: float, together: float) -> float:
    square = of_adapter**2 - 2 * together * of_adapter * of_base + of_base**2
    return math.sqrt(max(0.0, square))


def _correlation(base: Floats, adapter: Floats, trials: int) -> float:
    """Of the pairs, corrected for continuity; 0 where one of the two never changes."""
    spread = float(base.std() * adapter.std())
    if not spread:
        return 0.0
    covariance = float(np.mean(base * adapter) - base.mean() * adapter.mean())
    if covariance > 0:
        covariance = max(covariance - 1 / (2 * trials), 0.0)
    return covariance / spread
