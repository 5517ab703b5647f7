"""Dr. GRPO: arXiv 2503.20783."""

from torch import Tensor

from learner_service.grpo.losses.loss import Loss, LossScale, Size


class DrGrpo(Loss):
    """Divides by the longest completion that could be, so that no length is favoured.

    Example:
        >>> from torch import tensor
        >>> losses, mask = tensor([[1.0, 3.0], [5.0, 0.0]]), tensor([[1.0, 1.0], [1.0, 0.0]])
        >>> scale = LossScale(step_tokens=6, forward_passes=1, max_new_tokens=4)
        >>> DrGrpo().mean(losses, mask, scale)  # (1 + 3 + 5) / (2 * 4)
        tensor(1.1250)
    """

    def mean(self, token_losses: Tensor, mask: Tensor, scale: LossScale) -> Tensor:
        most_tokens = mask.shape[0] * scale.max_new_tokens
        return (token_losses * mask).sum() / most_tokens / scale.forward_passes

    def share_of_pass(self, kept: Size, whole: Size) -> float:
        return kept.completions / whole.completions
