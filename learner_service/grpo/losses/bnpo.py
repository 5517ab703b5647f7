"""BNPO, as Dr. GRPO (arXiv 2503.20783) compares itself with it."""

from torch import Tensor

from learner_service.grpo.losses.loss import Loss, LossScale, Size


class Bnpo(Loss):
    """Every token of a forward pass counts the same, and every forward pass of a step.

    Example:
        >>> from torch import tensor
        >>> losses, mask = tensor([[1.0, 3.0], [5.0, 0.0]]), tensor([[1.0, 1.0], [1.0, 0.0]])
        >>> scale = LossScale(step_tokens=6, forward_passes=1, max_new_tokens=4)
        >>> Bnpo().mean(losses, mask, scale)  # (1 + 3 + 5) / 3
        tensor(3.)
    """

    def mean(self, token_losses: Tensor, mask: Tensor, scale: LossScale) -> Tensor:
        return (token_losses * mask).sum() / mask.sum().clamp(min=1) / scale.forward_passes

    def share_of_pass(self, kept: Size, whole: Size) -> float:
        return kept.tokens / whole.tokens
