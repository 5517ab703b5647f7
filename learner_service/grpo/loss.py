"""The GRPO loss and its relatives, as pure functions of tensors.

`grpo`: DeepSeekMath (arXiv 2402.03300). `bnpo`, `dr_grpo`: Dr. GRPO (arXiv 2503.20783).
`dapo`: DAPO (arXiv 2503.14476), with the clip-higher bound. `gspo`: GSPO (arXiv 2507.18071), whose
ratio is that of the whole completion, its length's root taken; averaged as `grpo`, so that every
completion counts the same. KL: the k3 estimator times the ratio, whose gradient, unlike that of k3
alone, is an unbiased one of the divergence (DeepSeek-V3.2, arXiv 2512.02556).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tally.job.choices import LossType


@dataclass(frozen=True, kw_only=True)
class LossScale:
    """What the sums of one forward pass are divided by, so that passes add up to a step.

    `step_tokens` counts the completion tokens of the whole optimizer step, `forward_passes` its
    forward passes, `max_new_tokens` the longest completion that could be.
    """

    step_tokens: int
    forward_passes: int
    max_new_tokens: int


@dataclass(frozen=True, kw_only=True)
class LossParts:
    """The loss to differentiate and, detached, what is worth reporting of it."""

    loss: Tensor  # []
    kl_mean: Tensor  # []
    clip_low_rate: Tensor  # []
    clip_high_rate: Tensor  # []


def policy_loss(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    loss_type: LossType,
    scale: LossScale,
    epsilon_low: float,
    epsilon_high: float,
    beta: float = 0.0,
    reference_logps: Tensor | None = None,
    importance_weights: Tensor | None = None,
) -> LossParts:
    """The clipped surrogate over one forward pass of N completions of at most T tokens.

    logps, old_logps, reference_logps, importance_weights, mask: [N, T]; advantages: [N]. `mask` is
    true where there is a token. With beta above 0, reference_logps must be given.
    importance_weights, where given, multiply the surrogate, not the KL penalty.
    """
    weights = mask.to(logps.dtype)
    log_ratio = logps - old_logps
    if loss_type is LossType.GSPO:
        log_ratio = _mean_per_completion(log_ratio, weights).unsqueeze(1).expand_as(log_ratio)
    ratio = torch.exp(log_ratio)
    clipped = ratio.clamp(1 - epsilon_low, 1 + epsilon_high)
    advantages = advantages.unsqueeze(1)
    token_losses = -torch.min(ratio * advantages, clipped * advantages)
    if importance_weights is not None:
        token_losses = token_losses * importance_weights
    kl = torch.zeros_like(logps)
    if beta > 0:
        if reference_logps is None:
            raise ValueError("beta is above 0, so reference_logps must be given")
        kl = ratio * k3_divergence(logps, reference_logps)
        token_losses = token_losses + beta * kl
    tokens = weights.sum().clamp(min=1)
    clipped_low = (ratio < 1 - epsilon_low) & (advantages < 0)
    clipped_high = (ratio > 1 + epsilon_high) & (advantages > 0)
    return LossParts(
        loss=_aggregated(token_losses, weights, loss_type, scale),
        kl_mean=(kl.detach() * weights).sum() / tokens,
        clip_low_rate=(clipped_low * weights).sum() / tokens,
        clip_high_rate=(clipped_high * weights).sum() / tokens,
    )


def k3_divergence(logps: Tensor, reference_logps: Tensor) -> Tensor:
    """Per-token, unbiased and never negative estimate of KL(policy ‖ reference), in nats."""
    difference = reference_logps - logps
    return torch.exp(difference) - difference - 1


def _aggregated(
    token_losses: Tensor, weights: Tensor, loss_type: LossType, scale: LossScale
) -> Tensor:
    total = (token_losses * weights).sum()
    if loss_type in (LossType.GRPO, LossType.GSPO):
        return _mean_per_completion(token_losses, weights).mean() / scale.forward_passes
    if loss_type is LossType.BNPO:
        return total / weights.sum().clamp(min=1) / scale.forward_passes
    if loss_type is LossType.DR_GRPO:
        return total / (weights.shape[0] * scale.max_new_tokens) / scale.forward_passes
    return total / max(scale.step_tokens, 1)


def _mean_per_completion(values: Tensor, weights: Tensor) -> Tensor:
    """[N, T] → [N]"""
    return (values * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
