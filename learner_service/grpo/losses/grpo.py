"""GRPO: DeepSeekMath (arXiv 2402.03300)."""

from torch import Tensor

from learner_service.grpo.losses.loss import Loss, LossScale, Size, mean_per_completion


class Grpo(Loss):
    """Every completion counts the same, however long it is.

    Example:
        >>> from torch import tensor
        >>> losses, mask = tensor([[1.0, 3.0], [5.0, 0.0]]), tensor([[1.0, 1.0], [1.0, 0.0]])
        >>> scale = LossScale(step_tokens=6, forward_passes=1, max_new_tokens=4)
        >>> Grpo().mean(losses, mask, scale)  # (2 + 5) / 2
        tensor(3.5000)
    """

    def mean(self, token_losses: Tensor, mask: Tensor, scale: LossScale) -> Tensor:
        return mean_per_completion(token_losses, mask).mean() / scale.forward_passes

    def share_of_pass(self, kept: Size, whole: Size) -> float:
        return kept.completions / whole.completions
