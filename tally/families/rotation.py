"""Rotary positions: the halves of each head as the two parts of complex numbers, turned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """Rotations by some positions, made for many products: `cos` and `sin`, [..., head size].

    The first half of `sin` is negated, so that rotating is one product with the swapped halves.
    """

    cos: Tensor
    sin: Tensor

    @classmethod
    def of(cls, cos: Tensor, sin: Tensor) -> Rotation:
        """From what transformers' modules for rotary positions return."""
        half = sin.shape[-1] // 2
        return cls(cos=cos, sin=torch.cat((-sin[..., :half], sin[..., half:]), dim=-1))

    def __getitem__(self, index: Any) -> Rotation:
        """Some of the rotations, or with another axis: as both tensors are indexed."""
        return Rotation(cos=self.cos[index], sin=self.sin[index])

    def __call__(self, heads: Tensor) -> Tensor:
        swapped = heads.roll(heads.shape[-1] // 2, dims=-1)
        return torch.addcmul(heads * self.cos, swapped, self.sin)


def rotate(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """As transformers rotates, rounding for rounding: for a layer among those of transformers."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat((-second, first), dim=-1) * sin
