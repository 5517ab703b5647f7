"""Aria: its squares, its tower against transformers' own, its size by its public configuration."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AriaConfig, AutoConfig, AutoModelForImageTextToText
from transformers.models.aria.image_processing_pil_aria import AriaImageProcessorPil

from learner_service.data.images import fit_to_grid
from tally.families.aria import ARIA


def public_config() -> AriaConfig:
    """The figures of config.json of rhymes-ai/Aria."""
    return AriaConfig(
        text_config={
            "model_type": "aria_text",
            "vocab_size": 100352,
            "hidden_size": 2560,
            "intermediate_size": 1664,
            "num_hidden_layers": 28,
            "num_attention_heads": 20,
            "num_key_value_heads": 20,
            "moe_num_experts": 64,
            "moe_topk": 6,
            "moe_num_shared_experts": 2,
        },
        vision_config={
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 27,
            "num_attention_heads": 16,
            "image_size": 980,
            "patch_size": 14,
        },
    )


@pytest.fixture(scope="module")
def small_aria(small_aria_path: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(small_aria_path, dtype=torch.float32).eval()


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_its_experts_stay_as_they_are_in_4_bits():
    """28 × 64 experts of 3 × 2560 × 1664 weights: 43 GiB in bfloat16."""
    shape = ARIA.shape(public_config())
    assert shape.routed_parameters == 28 * 64 * 3 * 2560 * 1664
    assert shape.routed_parameters * 2 / 1024**3 == pytest.approx(42.7, abs=0.05)
    assert shape.parameters / 1e9 == pytest.approx(25.3, abs=0.05)
    in_4_bits = shape.weights_bytes(bytes_per_number=2, use_4bit=True)
    assert in_4_bits > shape.routed_parameters * 2


def test_its_size_is_that_of_a_model_of_its_configuration():
    config = public_config()
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    assert ARIA.shape(config).parameters == pytest.approx(model.num_parameters(), rel=0.001)


@pytest.mark.parametrize(
    ("size", "max_side_pixels", "fitted", "tokens"),
    [
        ((112, 112), 512, (490, 490), 128),
        ((1000, 600), 512, (490, 336), 128),
        ((1000, 800), 100, (490, 392), 128),
        ((600, 1000), 980, (588, 980), 256),
        ((3000, 2000), 4096, (980, 653), 256),
    ],
)
def test_the_square_that_is_asked_for_or_the_next_smaller_one(
    size: tuple[int, int], max_side_pixels: int, fitted: tuple[int, int], tokens: int
):
    grid = ARIA.grid(public_config(), AriaImageProcessorPil())
    assert grid.fit(*size, max_side_pixels) == fitted
    assert grid.tokens(*fitted) == tokens
    grid.check(*fitted)


@pytest.mark.parametrize("size", [(500, 400), (490, 335), (980, 100)])
def test_what_the_processor_would_resize_is_refused(size: tuple[int, int]):
    grid = ARIA.grid(public_config(), AriaImageProcessorPil())
    with pytest.raises(ValueError, match=r"a longer side of 490 or 980 px and a shorter .* 336"):
        grid.check(*size)


@pytest.mark.parametrize(("size", "max_side_pixels"), [((700, 500), 512), ((700, 1000), 980)])
def test_its_own_processor_leaves_a_staged_image_as_it_is(
    size: tuple[int, int], max_side_pixels: int
):
    processor = AriaImageProcessorPil()
    staged = fit_to_grid(picture(*size), ARIA.grid(public_config(), processor), max_side_pixels)
    images = ARIA.patches([staged], processor)
    [pixels], [mask] = images.pixel_values, images.pixel_masks
    expected = torch.from_numpy(np.array(staged)).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(pixels[:, : staged.height, : staged.width], expected)
    assert mask.sum() == staged.width * staged.height == mask[: staged.height, : staged.width].sum()
    assert set(pixels.shape[1:]) == set(mask.shape) == {max(staged.size)}


def test_features_of_both_sides_are_those_of_transformers(small_aria: Any):
    tower = ARIA.frozen_tower(ARIA.visual(small_aria))
    processor = AriaImageProcessorPil()
    pictures = [picture(490, 367), picture(653, 980), picture(490, 490)]
    images = [ARIA.patches([one], processor) for one in pictures]
    found = tower(images[0].join(images))
    assert [len(features) for features in found] == [16, 32, 16]
    for features, one in zip(found, pictures, strict=True):
        inputs = processor(images=[one], max_image_size=max(one.size), return_tensors="pt")
        with torch.no_grad():
            expected = small_aria.get_image_features(inputs["pixel_values"], inputs["pixel_mask"])
        torch.testing.assert_close(features, expected.pooler_output[0], rtol=0, atol=1e-5)


def test_padding_is_not_seen(small_aria: Any):
    tower = ARIA.frozen_tower(ARIA.visual(small_aria))
    images = ARIA.patches([picture(490, 350)], AriaImageProcessorPil())
    [before] = tower(images)
    images.pixel_values[0][:, 350:] = 5.0
    [after] = tower(images)
    assert torch.equal(before, after)


def test_a_processor_of_small_squares_has_no_large_ones(small_aria_path: Path):
    grid = ARIA.grid(
        AutoConfig.from_pretrained(small_aria_path),
        ARIA.load_image_processor(str(small_aria_path)),
    )
    assert grid.tokens_by_side == {490: 16}
