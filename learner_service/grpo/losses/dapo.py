"""DAPO: arXiv 2503.14476."""

from torch import Tensor

from learner_service.grpo.losses.loss import Loss, LossScale, Size


class Dapo(Loss):
    """Every token of a step counts the same.

    Example:
        >>> from torch import tensor
        >>> losses, mask = tensor([[1.0, 3.0], [5.0, 0.0]]), tensor([[1.0, 1.0], [1.0, 0.0]])
        >>> scale = LossScale(step_tokens=6, forward_passes=1, max_new_tokens=4)
        >>> Dapo().mean(losses, mask, scale)  # (1 + 3 + 5) / 6
        tensor(1.5000)
        >>> Dapo().share_of_step(4, scale)  # the step turned out to have 4 tokens
        1.5
    """

    def mean(self, token_losses: Tensor, mask: Tensor, scale: LossScale) -> Tensor:
        return (token_losses * mask).sum() / max(scale.step_tokens, 1)

    def share_of_pass(self, kept: Size, whole: Size) -> float:
        return 1.0

    def share_of_step(self, tokens: float, scale: LossScale) -> float:
        return scale.step_tokens / tokens
