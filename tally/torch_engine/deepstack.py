"""What images add to hidden states after the language model's first layers (arXiv 2406.04334)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Additions:
    """`layers` [K, N, H]: what the outputs of the first K layers get at `places` [N]."""

    places: Tensor
    layers: Tensor

    def add(self, layer: int, hidden: Tensor) -> None:
        """To the output of a layer, [tokens, H], in place."""
        if layer < len(self.layers):
            hidden.index_add_(0, self.places, self.layers[layer])


def join(additions: Sequence[Additions | None], lengths: Sequence[int]) -> Additions | None:
    """Of prompts one after the other, of so many tokens each; None where there is no image."""
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    present = [(start, one) for start, one in zip(starts, additions, strict=True) if one]
    if not present:
        return None
    return Additions(
        places=torch.cat([start + one.places for start, one in present]),
        layers=torch.cat([one.layers for _, one in present], dim=1),
    )
