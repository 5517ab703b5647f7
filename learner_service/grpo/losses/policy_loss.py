"""The clipped surrogate of GRPO and its relatives, with a KL penalty. Pure.

The upper bound of the clipping is one of its own (DAPO's clip-higher, arXiv 2503.14476). KL: the k3
estimator times the ratio, whose gradient, unlike that of k3 alone, is an unbiased one of the
divergence (DeepSeek-V3.2, arXiv 2512.02556).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from learner_service.grpo.losses.loss import Loss, LossScale


@dataclass(frozen=True, kw_only=True)
class LossParts:
    """The loss to differentiate and, detached, what is worth reporting of it."""

    loss: Tensor  # []
    kl_mean: Tensor  # [], not a number where beta is 0
    clip_low_rate: Tensor  # []
    clip_high_rate: Tensor  # []


def policy_loss(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    loss: Loss,
    scale: LossScale,
    epsilon_low: float,
    epsilon_high: float,
    beta: float = 0.0,
    reference_logps: Tensor | None = None,
    importance_weights: Tensor | None = None,
    completion_weights: Tensor | None = None,
) -> LossParts:
    """The loss over one forward pass of N completions of at most T tokens.

    logps, old_logps, reference_logps, importance_weights, mask: [N, T]; advantages: [N]. `mask` is
    true where there is a token. With beta above 0, reference_logps must be given.
    importance_weights, where given, multiply the surrogate, not the KL penalty; completion_weights,
    [N], multiply all that is of a completion.

    Example:
        >>> from torch import tensor
        >>> from learner_service.grpo.losses.dapo import Dapo
        >>> parts = policy_loss(
        ...     tensor([[-0.5]]),
        ...     tensor([[-1.0]]),
        ...     tensor([2.0]),
        ...     tensor([[True]]),
        ...     loss=Dapo(),
        ...     scale=LossScale(step_tokens=1, forward_passes=1, max_new_tokens=1),
        ...     epsilon_low=0.2,
        ...     epsilon_high=0.2,
        ... )
        >>> parts.loss  # a ratio of e^0.5, clipped to 1.2, times the advantage
        tensor(-2.4000)
        >>> parts.clip_high_rate
        tensor(1.)
    """
    weights = mask.to(logps.dtype)
    ratio = loss.ratio(logps - old_logps, weights)
    clipped = ratio.clamp(1 - epsilon_low, 1 + epsilon_high)
    advantages = advantages.unsqueeze(1)
    token_losses = -torch.min(ratio * advantages, clipped * advantages)
    if importance_weights is not None:
        token_losses = token_losses * importance_weights
    kl = torch.full_like(logps, math.nan)
    if beta > 0:
        if reference_logps is None:
            raise ValueError("beta is above 0, so reference_logps must be given")
        kl = ratio * k3_divergence(logps, reference_logps)
        token_losses = token_losses + beta * kl
    counted = weights
    if completion_weights is not None:
        token_losses = token_losses * completion_weights.unsqueeze(1)
        counted = weights * completion_weights.unsqueeze(1)
    tokens = counted.sum().clamp(min=torch.finfo(counted.dtype).tiny)
    clipped_low = (ratio < 1 - epsilon_low) & (advantages < 0)
    clipped_high = (ratio > 1 + epsilon_high) & (advantages > 0)
    return LossParts(
        loss=loss.mean(token_losses, weights, scale),
        kl_mean=(kl.detach() * counted).sum() / tokens,
        clip_low_rate=(clipped_low * counted).sum() / tokens,
        clip_high_rate=(clipped_high * counted).sum() / tokens,
    )


def k3_divergence(logps: Tensor, reference_logps: Tensor) -> Tensor:
    """Per-token, unbiased and never negative estimate of KL(policy ‖ reference), in nats."""
    difference = reference_logps - logps
    return torch.exp(difference) - difference - 1
