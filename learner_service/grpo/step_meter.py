"""What one optimizer step measures of itself while it runs: time, tokens, groups."""

import time

from torch import Tensor

from learner_service.grpo.groups import ScoredGroup
from learner_service.grpo.importance import ImportanceWeights
from learner_service.grpo.loss import LossParts
from learner_service.grpo.metrics import TokenSums, group_metrics


class StepMeter:
    """Made when a step begins; `metrics` are those of StepMetrics in learner.proto."""

    def __init__(self) -> None:
        self._sums = TokenSums()
        self.skipped_groups = 0
        self._started = self._learning_started = time.monotonic()
        self.waited_seconds = 0.0  # since learning began

    def learning_begins(self) -> None:
        self._learning_started = time.monotonic()

    def add_pass(
        self,
        *,
        mask: Tensor,
        entropies: Tensor,
        gaps: Tensor,
        parts: LossParts,
        importance: ImportanceWeights,
    ) -> None:
        """`gaps`: |learner's - engine's log-probability|; `mask`, `entropies`, `gaps`: [N, T]."""
        self._sums.add(
            mask.sum(),
            {
                "entropy": _masked_mean(entropies, mask),
                "kl": parts.kl_mean,
                "clip_low_rate": parts.clip_low_rate,
                "clip_high_rate": parts.clip_high_rate,
                "log_probability_gap": _masked_mean(gaps, mask),
                "importance_ratio_mean": _masked_mean(importance.ratios, mask),
                "importance_truncated_rate": _masked_mean(importance.truncated, mask),
            },
        )

    def metrics(self, groups: list[ScoredGroup], step: int) -> dict[str, float]:
        """Of the whole step; `step` is the number of optimizer steps before it."""
        now = time.monotonic()
        seconds = now - self._started
        completions = sum(len(g.group.completions) * (1 + g.refills) for g in groups)
        return {
            **group_metrics(groups, step),
            **self._sums.means(),
            "skipped_group_rate": self.skipped_groups / len(groups),
            "waiting_seconds": self.waited_seconds,
            "learning_seconds": now - self._learning_started - self.waited_seconds,
            "step_seconds": seconds,
            "samples_per_second": completions / seconds,
            "tokens_per_second": sum(g.sampled_tokens for g in groups) / seconds,
        }


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum()
