"""The frozen tower against transformers' own, image by image."""

import pytest
import torch
from torch import nn
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
)
from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.families.qwen2_vl import QWEN2_VL
from tally.families.qwen3_vl import QWEN3_VL
from tally.families.vision_tower.patches import Patches

SHAPE = {"depth": 3, "num_heads": 4, "patch_size": 14, "spatial_merge_size": 2}
WIDE = {"hidden_size": 64, "intermediate_size": 96, "out_hidden_size": 48}
# Some fill their windows and some do not; two have one size, one is larger than a pass.
GRIDS = [(8, 8), (4, 18), (20, 12), (8, 8), (2, 2), (46, 48)]


def windowed() -> nn.Module:
    config = Qwen2_5_VLVisionConfig(**SHAPE, **WIDE, window_size=112, fullatt_block_indexes=[1])
    return Qwen2_5_VisionTransformerPretrainedModel(config)


def without_windows() -> nn.Module:
    config = Qwen2VLVisionConfig(**SHAPE, embed_dim=64, hidden_size=48)
    return Qwen2VisionTransformerPretrainedModel(config)


def with_deepstack() -> nn.Module:
    """Its learnt positions are of a grid of 7 × 7, and their weights are no small matter."""
    stacked = {"num_position_embeddings": 49, "deepstack_visual_indexes": [0, 2]}
    visual = Qwen3VLVisionModel(Qwen3VLVisionConfig(**SHAPE, **WIDE, **stacked))
    nn.init.normal_(visual.pos_embed.weight)
    return visual


def patches(grids: list[tuple[int, int]]) -> Patches:
    thw = torch.tensor([(1, height, width) for height, width in grids])
    pixels = torch.randn(int(thw.prod(-1).sum()), 3 * 2 * 14 * 14)
    return Patches(pixel_values=pixels, grid_thw=thw)


@pytest.mark.parametrize(
    ("family", "build"),
    [(QWEN2_5_VL, windowed), (QWEN2_VL, without_windows), (QWEN3_VL, with_deepstack)],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.bfloat16, 4e-2)])
def test_it_equals_transformers_image_by_image(family, build, dtype: torch.dtype, tolerance: float):
    torch.manual_seed(7)
    visual = build().to(dtype).eval()
    images = patches(GRIDS)
    found = family.frozen_tower(visual)(images)
    rows = images.pixel_values.split(images.grid_thw.prod(-1).tolist())
    for features, pixel_rows, grid in zip(found, rows, images.grid_thw, strict=True):
        with torch.no_grad():
            output = visual(pixel_rows.to(dtype), grid_thw=grid[None])
        stacked = getattr(output, "deepstack_features", None) or []
        expected = torch.cat([output.pooler_output, *stacked], dim=-1)
        scale = expected.float().abs().max().item()
        torch.testing.assert_close(features, expected, rtol=0, atol=tolerance * scale)


def test_an_image_does_not_see_its_neighbours():
    tower = QWEN2_5_VL.frozen_tower(windowed().eval())
    images = patches([(8, 8)] * 3)
    before = tower(images)
    images.pixel_values[64:128] += 1
    after = tower(images)
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_no_images_are_no_features():
    none = Patches(pixel_values=torch.zeros(0, 1176), grid_thw=torch.zeros(0, 3, dtype=torch.long))
    assert QWEN2_5_VL.frozen_tower(windowed())(none) == []
