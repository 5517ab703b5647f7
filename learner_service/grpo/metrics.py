"""What a step measured of its groups. Pure."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from learner_service.clients.rewards import Score
from learner_service.evaluation.row_scores import SCORES, row_scores
from learner_service.grpo.groups import ScoredGroup
from tally.job.metrics import Measured

_COUNT_METRICS = (
    "exact_rate",
    "mean_absolute_count_error",
    "median_absolute_count_error",
    "far_off_rate",
    "parse_failure_rate",
)


def group_metrics(
    groups: Sequence[ScoredGroup], weights: Sequence[float], step: int
) -> dict[str, Measured]:
    """What a step's groups were like; names as in StepMetrics.

    What is of rewards, counts and lengths is weighted by what each group's row stands for among
    all rows; the rest is of the step's own work.
    """
    weighed = list(zip(groups, weights, strict=True))
    scores = [score for group in groups for score in group.first_scores]
    score_weights = [weight for group, weight in weighed for _ in group.first_scores]
    lengths = [float(tokens) for group in groups for tokens in group.answer_tokens]
    length_weights = [weight for group, weight in weighed for _ in group.answer_tokens]
    rewards = [score.reward for score in scores]
    last_sampled = max(group.sampled_at for group in groups)
    return {
        "reward_mean": fmean(rewards, score_weights),
        "reward_std": weighted_deviation(rewards, score_weights),
        "zero_variance_group_rate": fmean([float(not g.teaches) for g in groups], weights),
        **count_metrics(scores, score_weights),
        "completion_length_mean": fmean(lengths, length_weights),
        "rollout_seconds": last_sampled - min(group.asked_at for group in groups),
        "reward_seconds": max(group.scored_at for group in groups) - last_sampled,
        "staleness_mean": fmean(step - group.adapter.step for group in groups),
        "refilled_group_rate": fmean(group.refills > 0 for group in groups),
        "reward_share_by_component": means_by_name([s.components for s in scores], score_weights),
        "reward_mean_by_component": means_by_name([s.values for s in scores], score_weights),
    }


def weighted_deviation(values: Sequence[float], weights: Sequence[float]) -> float:
    """With equal weights the sample's standard deviation; 0 of one value."""
    number, mean = len(values), fmean(values, weights)
    if number == 1:
        return 0.0
    return math.sqrt(fmean([(v - mean) ** 2 for v in values], weights) * number / (number - 1))


def means_by_name(
    scores: Sequence[Mapping[str, float]], weights: Sequence[float]
) -> dict[str, float]:
    """Of each reward; every score has the same ones."""
    return {name: fmean([one[name] for one in scores], weights) for name in scores[0]}


def count_metrics(scores: Sequence[Score], weights: Sequence[float]) -> dict[str, float]:
    """Shares over all scores; errors over those that hold a count, not a number where none does."""
    # Equal ones become 1: a median is where exactly half of them are reached.
    [values] = row_scores(scores).values(np.array([weights]) / max(weights))
    measured = dict(zip(SCORES, values.tolist(), strict=True))
    return {name: measured[name] for name in _COUNT_METRICS}
