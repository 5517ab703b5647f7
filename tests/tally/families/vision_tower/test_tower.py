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

from tally.families.vision_tower.tower import FrozenTower

SHAPE = {"depth": 3, "num_heads": 4, "patch_size": 14, "spatial_merge_size": 2}
# Some fill their windows and some do not; two have one size, one is larger than a pass.
GRIDS = [(8, 8), (4, 18), (20, 12), (8, 8), (2, 2), (46, 48)]


def windowed() -> nn.Module:
    shape = {"hidden_size": 64, "intermediate_size": 96, "out_hidden_size": 48}
    config = Qwen2_5_VLVisionConfig(**SHAPE, **shape, window_size=112, fullatt_block_indexes=[1])
    return Qwen2_5_VisionTransformerPretrainedModel(config)


def without_windows() -> nn.Module:
    config = Qwen2VLVisionConfig(**SHAPE, embed_dim=64, hidden_size=48)
    return Qwen2VisionTransformerPretrainedModel(config)


def patches(grids: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    thw = torch.tensor([(1, height, width) for height, width in grids])
    return torch.randn(int(thw.prod(-1).sum()), 3 * 2 * 14 * 14), thw


@pytest.mark.parametrize("build", [windowed, without_windows])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.bfloat16, 4e-2)])
def test_it_equals_transformers_image_by_image(build, dtype: torch.dtype, tolerance: float):
    torch.manual_seed(7)
    visual = build().to(dtype).eval()
    pixels, thw = patches(GRIDS)
    found = FrozenTower(visual)(pixels, thw)
    lengths = thw.prod(-1).tolist()
    for features, pixel_rows, grid in zip(found, pixels.split(lengths), thw, strict=True):
        with torch.no_grad():
            expected = visual(pixel_rows.to(dtype), grid_thw=grid[None]).pooler_output
        scale = expected.float().abs().max().item()
        torch.testing.assert_close(features, expected, rtol=0, atol=tolerance * scale)


def test_an_image_does_not_see_its_neighbours():
    tower = FrozenTower(windowed().eval())
    pixels, thw = patches([(8, 8)] * 3)
    changed = pixels.clone()
    changed[64:128] += 1
    before, after = tower(pixels, thw), tower(changed, thw)
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_no_images_are_no_features():
    assert FrozenTower(windowed())(torch.zeros(0, 1176), torch.zeros(0, 3, dtype=int)) == []
