"""Any decodable image to the one picture that learner and engine both see. Pure."""

import io
import warnings

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from learner_service.errors import InvalidDataset
from tally.families.grid import ImageGrid

_SIXTEEN_BIT_MODES = {"I", "I;16", "I;16B", "I;16L"}


def decode(data: bytes, name: str) -> Image.Image:
    """Decodes the first frame, applies its EXIF orientation and returns it as 8-bit RGB.

    Raises InvalidDataset that names `name`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
            image.load()
            return _rgb(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise InvalidDataset(f"{name}: not an image that can be decoded") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_MODES:
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def fit_to_grid(image: Image.Image, grid: ImageGrid, max_side_pixels: int) -> Image.Image:
    """Resizes once, to sides that the model's own processor leaves as they are."""
    size = grid.fit(*image.size, max_side_pixels)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def to_png(image: Image.Image, note: PngInfo | None = None) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1, pnginfo=note)
    return buffer.getvalue()
