"""What a step measured of its groups. Pure."""

from collections.abc import Sequence
from statistics import fmean

import torch

from learner_service.clients.rewards import Score
from learner_service.grpo.groups import ScoredGroup
from tally.job.metrics import Measured


def group_metrics(groups: Sequence[ScoredGroup], step: int) -> dict[str, Measured]:
    """What a step's groups were like; names as in StepMetrics."""
    scores = [score for group in groups for score in group.first_scores]
    rewards = torch.tensor([score.reward for score in scores])
    lengths = [float(len(c)) for group in groups for c in group.group.completions]
    flat = [len({score.reward for score in group.first_scores}) == 1 for group in groups]
    last_sampled = max(group.sampled_at for group in groups)
    return {
        "reward_mean": rewards.mean().item(),
        "reward_std": rewards.std().item() if rewards.numel() > 1 else 0.0,
        "zero_variance_group_rate": fmean(flat),
        **count_metrics(scores),
        "completion_length_mean": fmean(lengths),
        "rollout_seconds": last_sampled - min(group.asked_at for group in groups),
        "reward_seconds": max(group.scored_at for group in groups) - last_sampled,
        "staleness_mean": fmean(step - group.adapter.step for group in groups),
        "refilled_group_rate": fmean(group.refills > 0 for group in groups),
        "reward_share_by_component": component_means(scores),
    }


def component_means(scores: Sequence[Score]) -> dict[str, float]:
    """What each reward adds to the mean of all; every score has the same ones."""
    names = scores[0].components
    return {name: fmean(score.components[name] for score in scores) for name in names}


def count_metrics(scores: Sequence[Score]) -> dict[str, float]:
    """Shares over all scores; the error over those that hold a count (0 where none does)."""
    differences = [score.difference for score in scores if score.difference is not None]
    return {
        "exact_rate": fmean(score.difference == 0 for score in scores),
        "mean_absolute_count_error": fmean(differences) if differences else 0.0,
        "parse_failure_rate": fmean(score.count is None for score in scores),
    }
