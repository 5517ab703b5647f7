"""What a step measured: sums over its forward passes, then means. Pure."""

from collections.abc import Sequence
from statistics import fmean

from torch import Tensor

from learner_service.advantages import zero_variance_groups
from learner_service.rewards import Score


class StepSums:
    """Adds up per-token figures over the forward passes of an optimizer step."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._tokens = 0.0

    def add(self, tokens: int, **means: float) -> None:
        """`means` are per token over the pass's `tokens`."""
        self._tokens += tokens
        for name, mean in means.items():
            self._sums[name] = self._sums.get(name, 0.0) + mean * tokens

    def means(self) -> dict[str, float]:
        return {name: total / max(self._tokens, 1) for name, total in self._sums.items()}


def score_metrics(scores: Sequence[Score], rewards_P_G: Tensor) -> dict[str, float]:
    """How good the step's answers were; names as in StepMetrics of learner.proto."""
    rewards = rewards_P_G.flatten()
    return {
        "reward_mean": rewards.mean().item(),
        "reward_std": rewards.std().item() if rewards.numel() > 1 else 0.0,
        "zero_variance_group_rate": zero_variance_groups(rewards_P_G).float().mean().item(),
        **count_metrics(scores),
    }


def count_metrics(scores: Sequence[Score]) -> dict[str, float]:
    """Shares over all scores; the error over those that hold a count (0 where none does)."""
    differences = [score.difference for score in scores if score.difference is not None]
    return {
        "exact_rate": fmean(score.difference == 0 for score in scores),
        "mean_absolute_count_error": fmean(differences) if differences else 0.0,
        "parse_failure_rate": fmean(score.count is None for score in scores),
    }
