"""An image blob → the picture that the model sees, with no pixel changed on the way."""

from pathlib import Path

from PIL import Image

from tally.families.grid import ImageGrid
from tally.sampling.errors import BadImage, BadRequest

_MODES = ("RGB", "RGBA", "L", "LA", "P", "1")


def read_image(path: Path, grid: ImageGrid) -> Image.Image:
    """Decodes a PNG whole; raises BadImage for one that is not on `grid`, or is broken."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            # Before the pixels: a small file may declare an enormous picture.
            _check_size(image.width, image.height, grid)
            if image.mode not in _MODES:
                raise BadImage(f"image: expected 8 bits per channel, got mode {image.mode}")
            return image.convert("RGB")
    except BadImage:
        raise
    except Exception as error:  # a decoder fed broken bytes raises errors of many kinds
        raise BadImage("image: not a PNG that can be decoded whole") from error


def check_placeholders(placeholders: int, image_tokens: int) -> None:
    """Raises BadRequest where a prompt's placeholders are not the tokens that its image makes."""
    if placeholders != image_tokens:
        raise BadRequest(
            f"prompt_token_ids: {placeholders} image placeholders, but the image makes "
            f"{image_tokens} tokens"
        )


def _check_size(width: int, height: int, grid: ImageGrid) -> None:
    try:
        grid.check(width, height)
    except ValueError as error:
        raise BadImage(f"image: {error}") from error
