"""An image blob → patches for the vision tower, with no pixel changed on the way."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from rollout_service.errors import BadImage, BadRequest

_MODES = ("RGB", "RGBA", "L", "LA", "P", "1")


@dataclass(frozen=True, kw_only=True)
class Patches:
    """`pixel_values` [patches, channels * frames * patch * patch], `grid_thw` [1, 3] in patches."""

    pixel_values: Tensor
    grid_thw: Tensor


def read_patches(path: Path, processor: Any) -> Patches:
    """Decodes a PNG whole; raises BadImage for one that `processor` would resize or can't read."""
    features = processor(images=[read_image(path, processor)], return_tensors="pt")
    return Patches(pixel_values=features["pixel_values"], grid_thw=features["image_grid_thw"])


def read_image(path: Path, processor: Any) -> Image.Image:
    """Decodes a PNG whole; raises BadImage for one that `processor` would resize or can't read."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            # Before the pixels: a small file may declare an enormous picture.
            _check_size(image.width, image.height, processor)
            if image.mode not in _MODES:
                raise BadImage(f"image: expected 8 bits per channel, got mode {image.mode}")
            return image.convert("RGB")
    except BadImage:
        raise
    except Exception as error:  # a decoder fed broken bytes raises errors of many kinds
        raise BadImage("image: not a PNG that can be decoded whole") from error


def image_token_count(image: Image.Image, processor: Any) -> int:
    factor = processor.patch_size * processor.merge_size
    return (image.width // factor) * (image.height // factor)


def check_placeholders(placeholders: int, image_tokens: int) -> None:
    """Raises BadRequest where a prompt's placeholders are not the tokens that its image makes."""
    if placeholders != image_tokens:
        raise BadRequest(
            f"prompt_token_ids: {placeholders} image placeholders, but the image makes "
            f"{image_tokens} tokens"
        )


def _check_size(width: int, height: int, processor: Any) -> None:
    factor = processor.patch_size * processor.merge_size
    if width % factor or height % factor:
        raise BadImage(f"image: {width}x{height} px; both sides must be multiples of {factor}")
    least, most = processor.size["shortest_edge"], processor.size["longest_edge"]
    try:
        resized = smart_resize(height, width, factor, least, most)
    except ValueError:  # an aspect ratio that the processor refuses
        resized = (0, 0)
    if resized != (height, width):
        raise BadImage(
            f"image: {width}x{height} px would be resized; expected {least} to {most} pixels "
            "in all, and sides of at most 200 to 1"
        )
