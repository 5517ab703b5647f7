"""Patches → image tokens, over the weights of transformers' own modules.

transformers calls attention once for every window of every image; here windows of one size are one
call, and images of one size one pass. Rotations and the order of windows are kept by size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tally.families.vision_tower.layout import Layout, lay_out

# Patches of one pass: enough to fill the products, few enough to stay in a CPU's caches.
_PASS_PATCHES = 2048
_SIZES_KEPT = 64


@dataclass(frozen=True, kw_only=True)
class _Size:
    """What images of one size share: `cos` and `sin` [S, 1, 1, head size], both in float32.

    The first half of `sin` is negated, so that rotating is a product with the swapped halves.
    """

    layout: Layout
    cos: Tensor
    sin: Tensor


class FrozenTower:
    """`visual` is the vision tower of a supported family; its weights must not change."""

    def __init__(self, visual: Any) -> None:
        self._visual = visual
        self._merge = visual.spatial_merge_size
        self._unit = self._merge**2
        self._patch_weight = visual.patch_embed.proj.weight.flatten(1)
        self._patch_bias = visual.patch_embed.proj.bias
        # A tower without windows attends to whole images in every block.
        whole = getattr(visual, "fullatt_block_indexes", range(len(visual.blocks)))
        self._attends_to_all = [number in whole for number in range(len(visual.blocks))]
        self._size = lru_cache(_SIZES_KEPT)(self._new_size)

    @property
    def hidden_size(self) -> int:
        return len(self._patch_weight)

    @torch.no_grad()
    def __call__(self, pixel_values: Tensor, grid_thw: Tensor) -> list[Tensor]:
        """As the image processor makes them of N images: [patches, C] and [N, 3].

        → [image tokens, H] of each image, on the tower's device.
        """
        grids = [(height, width) for _, height, width in grid_thw.tolist()]
        images = pixel_values.split([height * width for height, width in grids])
        features: list[Tensor | None] = [None] * len(grids)
        for grid, numbers in _passes(grids):
            pixels = torch.stack([images[number] for number in numbers])
            for number, tokens in zip(numbers, self._passed(pixels, *grid), strict=True):
                features[number] = tokens
        return features

    def _passed(self, pixels: Tensor, height: int, width: int) -> Tensor:
        """[N, S, C] of images of one size → [N, tokens, H]."""
        size = self._size(height, width)
        weight = self._patch_weight
        hidden = functional.linear(pixels.to(weight), weight, self._patch_bias)
        hidden = hidden.unflatten(1, (-1, self._unit))[:, size.layout.order].flatten(1, 2)
        for block, attends_to_all in zip(self._visual.blocks, self._attends_to_all, strict=True):
            hidden = hidden + self._attended(block, hidden, size, attends_to_all)
            hidden = hidden + block.mlp(block.norm2(hidden))
        tokens = self._visual.merger(hidden.flatten(0, 1))
        return tokens.unflatten(0, (len(pixels), -1))[:, size.layout.places]

    def _attended(self, block: Any, hidden: Tensor, size: _Size, attends_to_all: bool) -> Tensor:
        attention = block.attn
        joined = attention.qkv(block.norm1(hidden)).unflatten(-1, (3, attention.num_heads, -1))
        queries, keys = _rotated(joined[:, :, :2], size).to(hidden.dtype).unbind(2)
        parts = (queries, keys, joined[:, :, 2])
        windows = ((1, hidden.shape[1]),) if attends_to_all else size.layout.windows
        return attention.proj(_over_windows(parts, windows))

    def _new_size(self, height: int, width: int) -> _Size:
        window = None
        if not all(self._attends_to_all):
            window = self._visual.window_size // self._visual.patch_size
        device = self._patch_weight.device
        layout = lay_out(height, width, merge=self._merge, window=window).to(device)
        cos, sin = self._visual.rotary_pos_emb(self._patch_weight, layout.positions)
        half = sin.shape[-1] // 2
        sin = torch.cat((-sin[:, :half], sin[:, half:]), dim=-1)
        return _Size(layout=layout, cos=cos[:, None, None].float(), sin=sin[:, None, None].float())


def _passes(grids: list[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Images of one size together, as many as a pass takes: the size and their numbers."""
    for grid in dict.fromkeys(grids):
        numbers = [number for number, one in enumerate(grids) if one == grid]
        most = max(1, _PASS_PATCHES // (grid[0] * grid[1]))
        for first in range(0, len(numbers), most):
            yield grid, numbers[first : first + most]


def _rotated(heads: Tensor, size: _Size) -> Tensor:
    heads = heads.float()
    swapped = heads.roll(heads.shape[-1] // 2, dims=-1)
    return torch.addcmul(heads * size.cos, swapped, size.sin)


def _over_windows(
    parts: tuple[Tensor, Tensor, Tensor], windows: tuple[tuple[int, int], ...]
) -> Tensor:
    """Attention within each window: queries, keys, values [N, S, heads, size] → [N, S, H]."""
    images = len(parts[0])
    runs = [count * length for count, length in windows]
    attended = []
    for (count, length), *run in zip(
        windows, *(part.split(runs, 1) for part in parts), strict=True
    ):
        queries, keys, values = (
            one.unflatten(1, (count, length)).flatten(0, 1).transpose(1, 2) for one in run
        )
        out = functional.scaled_dot_product_attention(queries, keys, values)
        attended.append(out.transpose(1, 2).flatten(2).unflatten(0, (images, count)).flatten(1, 2))
    return torch.cat(attended, dim=1) if len(attended) > 1 else attended[0]
