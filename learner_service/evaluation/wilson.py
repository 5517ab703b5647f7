"""Wilson's interval of a share (1927): inside [0, 1], and of 6 of 6 not from 1 to 1. Pure."""

import math
from statistics import NormalDist

from learner_service.evaluation.bootstrap import CONFIDENCE
from tally.job.comparison import Interval

_QUANTILE = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def wilson_interval(share: float, trials: int) -> Interval:
    """Lower and upper end at CONFIDENCE; `share` of at least one trial.

    Example:
        >>> low, high = wilson_interval(1.0, 6)
        >>> round(low, 2), high
        (0.61, 1.0)
    """
    square = _QUANTILE**2
    centre = share + square / (2 * trials)
    half = _QUANTILE * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    scale = 1 + square / trials
    # By rounding an end may pass the share itself.
    low, high = min(share, (centre - half) / scale), max(share, (centre + half) / scale)
    return max(0.0, low), min(1.0, high)
