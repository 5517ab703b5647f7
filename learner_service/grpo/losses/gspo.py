"""GSPO: arXiv 2507.18071."""

import torch
from torch import Tensor

from learner_service.grpo.losses.grpo import Grpo
from learner_service.grpo.losses.loss import mean_per_completion


class Gspo(Grpo):
    """The ratio is that of the whole completion, its length's root taken; averaged as GRPO's.

    Example:
        >>> from torch import tensor
        >>> log_ratio, mask = tensor([[0.2, 0.4], [0.5, 9.0]]), tensor([[1.0, 1.0], [1.0, 0.0]])
        >>> Gspo().ratio(log_ratio, mask)  # e^0.3 and e^0.5, for each token
        tensor([[1.3499, 1.3499],
                [1.6487, 1.6487]])
    """

    def ratio(self, log_ratio: Tensor, mask: Tensor) -> Tensor:
        mean_N_1 = mean_per_completion(log_ratio, mask).unsqueeze(1)
        return torch.exp(mean_N_1.expand_as(log_ratio))
