"""What tells one loss type from another."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


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
class Size:
    """How many completions there are, and how many tokens they have in all.

    `tokens` of completions that were not sampled are what they are taken to have.
    """

    completions: int
    tokens: float


class Loss(ABC):
    """Probability ratios of a forward pass, and how its token losses become its loss. Pure.

    mask: [N, T] of N completions of at most T tokens, 1 where there is a token and else 0, in the
    precision of the losses.
    """

    def ratio(self, log_ratio: Tensor, mask: Tensor) -> Tensor:
        """The policy's probability over that before the step, from its logarithm; all [N, T]."""
        return torch.exp(log_ratio)

    @abstractmethod
    def mean(self, token_losses: Tensor, mask: Tensor, scale: LossScale) -> Tensor:
        """[N, T] → [], this pass's part of the loss of its step."""

    @abstractmethod
    def share_of_pass(self, kept: Size, whole: Size) -> float:
        """What `mean` over a part of a pass is divided by, over what it is divided by for all."""

    def share_of_step(self, tokens: float, scale: LossScale) -> float:
        """What the step was divided by, over what it is to be divided by: it has `tokens`.

        Their number is known only with the last group; until then `scale.step_tokens` stands for
        it, the most there could be.
        """
        return 1.0


def mean_per_completion(values: Tensor, mask: Tensor) -> Tensor:
    """[N, T] → [N]"""
    return (values * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
