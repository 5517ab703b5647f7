"""Patches → image tokens, over the weights of transformers' own modules.

transformers calls attention once for every window of every image; here windows of one size are one
call, and images of one size one pass. Rotations and the order of windows are kept by size.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tally.families.rotation import Rotation
from tally.families.vision import VisionTower
from tally.families.vision_tower.layout import Layout, lay_out
from tally.families.vision_tower.learnt_positions import LearntPositions
from tally.families.vision_tower.patches import Patches

# Patches of one pass: enough to fill the products, few enough to stay in a CPU's caches.
_PASS_PATCHES = 2048
_SIZES_KEPT = 64


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Most blocks attend within windows of an image, those of `whole_blocks` to all of it."""

    side_patches: int
    whole_blocks: Collection[int]


@dataclass(frozen=True, kw_only=True)
class _Size:
    """What images of one size share; the rotation is [S, 1, 1, head size], in float32.

    `positions` [S, C]: what is learnt of where a patch stands, if anything is.
    """

    layout: Layout
    rotation: Rotation
    positions: Tensor | None


class FrozenTower(VisionTower):
    """`visual` is a Qwen vision tower of transformers, whose weights must not change.

    Without `windows` every block attends to whole images. `mergers` by the number of a block make
    features of its output, which follow those of the last one: [image tokens, (1 + mergers) * H].
    """

    def __init__(
        self,
        visual: Any,
        *,
        windows: Windows | None = None,
        positions: LearntPositions | None = None,
        mergers: Mapping[int, Any] | None = None,
    ) -> None:
        self._visual = visual
        self._windows = windows
        self._positions = positions
        self._mergers = mergers or {}
        self._merge = visual.spatial_merge_size
        self._unit = self._merge**2
        self._patch_weight = visual.patch_embed.proj.weight.flatten(1)
        self._patch_bias = visual.patch_embed.proj.bias
        numbers = range(len(visual.blocks))
        whole = windows.whole_blocks if windows else numbers
        self._attends_to_all = [number in whole for number in numbers]
        self._size = lru_cache(_SIZES_KEPT)(self._make_size)

    @property
    def hidden_size(self) -> int:
        return len(self._patch_weight)

    @torch.no_grad()
    def __call__(self, patches: Patches) -> list[Tensor]:
        """The features of N images, [image tokens, features] each, on the tower's device."""
        grids = [(height, width) for _, height, width in patches.sizes]
        images = patches.pixel_values.split([height * width for height, width in grids])
        features: dict[int, Tensor] = {}
        for grid, numbers in _passes(grids):
            pixels = torch.stack([images[number] for number in numbers])
            features.update(zip(numbers, self._run_pass(pixels, *grid), strict=True))
        return [features[number] for number in range(len(grids))]

    def _run_pass(self, pixels: Tensor, height: int, width: int) -> Tensor:
        """[N, S, C] of images of one size → [N, tokens, features]."""
        size = self._size(height, width)
        weight = self._patch_weight
        hidden = functional.linear(pixels.to(weight), weight, self._patch_bias)
        hidden = hidden.unflatten(1, (-1, self._unit))[:, size.layout.order].flatten(1, 2)
        if size.positions is not None:
            hidden = hidden + size.positions
        stacked = []
        for number, block in enumerate(self._visual.blocks):
            hidden = hidden + self._attend(block, hidden, size, self._attends_to_all[number])
            hidden = hidden + block.mlp(block.norm2(hidden))
            if number in self._mergers:
                stacked.append(_merge(self._mergers[number], hidden))
        tokens = torch.cat([_merge(self._visual.merger, hidden), *stacked], dim=-1)
        return tokens[:, size.layout.places]

    def _attend(self, block: Any, hidden: Tensor, size: _Size, attends_to_all: bool) -> Tensor:
        attention = block.attn
        joined = attention.qkv(block.norm1(hidden)).unflatten(-1, (3, attention.num_heads, -1))
        queries, keys = size.rotation(joined[:, :, :2].float()).to(hidden.dtype).unbind(2)
        parts = (queries, keys, joined[:, :, 2])
        windows = ((1, hidden.shape[1]),) if attends_to_all else size.layout.windows
        attended: Tensor = attention.proj(_attend_within(parts, windows))
        return attended

    def _make_size(self, height: int, width: int) -> _Size:
        windows = None if all(self._attends_to_all) else self._windows
        window = windows.side_patches if windows else None
        weight = self._patch_weight
        layout = lay_out(height, width, merge=self._merge, window=window).to(weight.device)
        cos, sin = self._visual.rotary_pos_emb(weight, layout.positions)
        rotation = Rotation.of(cos[:, None, None].float(), sin[:, None, None].float())
        learnt = None
        if self._positions:
            learnt = self._positions.at(layout.positions, height, width).to(weight)
        return _Size(layout=layout, rotation=rotation, positions=learnt)


def _merge(merger: Any, hidden: Tensor) -> Tensor:
    """[N, S, C] → [N, tokens, H]."""
    merged: Tensor = merger(hidden.flatten(0, 1)).unflatten(0, (len(hidden), -1))
    return merged


def _passes(grids: list[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Images of one size together, as many as a pass takes: the size and their numbers."""
    for grid in dict.fromkeys(grids):
        numbers = [number for number, one in enumerate(grids) if one == grid]
        most = max(1, _PASS_PATCHES // (grid[0] * grid[1]))
        for first in range(0, len(numbers), most):
            yield grid, numbers[first : first + most]


def _attend_within(
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
