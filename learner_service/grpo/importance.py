"""Truncated importance sampling: what a sample from another policy counts. Pure.

The samples came from the engine's policy, an earlier adapter or other precision; the weights make
the gradient that of the learner's own. Cutting them off bounds its variance (Ionides, 2008).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ImportanceWeights:
    """Per token, [N, T], detached: the ratios, and the weights they are cut off to."""

    ratios: Tensor
    weights: Tensor
    truncated: Tensor  # bool


def importance_weights(old_logps: Tensor, sampler_logps: Tensor, cap: float) -> ImportanceWeights:
    """min(learner's probability / engine's, cap) of each token; all arguments [N, T]."""
    ratios = torch.exp(old_logps.detach() - sampler_logps)
    return ImportanceWeights(ratios=ratios, weights=ratios.clamp(max=cap), truncated=ratios > cap)
