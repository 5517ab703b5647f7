"""What is measured of the tokens of a step: sums over its forward passes, then means. Pure."""

import math

import torch
from torch import Tensor

from learner_service.grpo.importance import ImportanceWeights
from learner_service.grpo.losses.policy_loss import LossParts

# Reported with every step; not a number where no token was learnt from.
TOKEN_METRICS = (
    "entropy",
    "kl",
    "clip_low_rate",
    "clip_high_rate",
    "log_probability_gap",
    "importance_ratio_mean",
    "importance_truncated_rate",
)


class TokenSums:
    """Adds up per-token figures over the forward passes of a step, without waiting for a GPU."""

    def __init__(self, device: torch.device) -> None:
        # Of each figure the sum over all tokens, and last the number of these.
        self.sums = torch.zeros(len(TOKEN_METRICS) + 1, device=device)

    def add(self, tokens: Tensor, means: dict[str, Tensor]) -> None:
        """`means` holds each of TOKEN_METRICS, per token over the pass's `tokens`; all are []."""
        figures = torch.stack([means[name].detach().float() for name in TOKEN_METRICS])
        self.sums += torch.cat([figures * tokens, tokens.float().reshape(1)])

    def means(self) -> dict[str, float]:
        *sums, tokens = self.sums.tolist()
        if not tokens:
            return dict.fromkeys(TOKEN_METRICS, math.nan)
        return {name: total / tokens for name, total in zip(TOKEN_METRICS, sums, strict=True)}


def token_means(
    mask: Tensor,
    entropies: Tensor,
    gaps: Tensor,
    parts: LossParts,
    importance: ImportanceWeights,
) -> dict[str, Tensor]:
    """Each of TOKEN_METRICS over one forward pass, [].

    `gaps`: |learner's - engine's log-probability|; `mask` says how much each token counts, 0 where
    there is none; `mask`, `entropies`, `gaps`: [N, T].
    """
    return {
        "entropy": _masked_mean(entropies, mask),
        "kl": parts.kl_mean,
        "clip_low_rate": parts.clip_low_rate,
        "clip_high_rate": parts.clip_high_rate,
        "log_probability_gap": _masked_mean(gaps, mask),
        "importance_ratio_mean": _masked_mean(importance.ratios, mask),
        "importance_truncated_rate": _masked_mean(importance.truncated, mask),
    }


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum()
