"""Any decodable image to the one picture that learner and engine both see. Pure."""

import io
import warnings

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from learner_service.errors import InvalidDataset

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


def fit_to_grid(
    image: Image.Image,
    *,
    max_side_pixels: int,
    factor_pixels: int,
    min_pixels: int,
    max_pixels: int,
) -> Image.Image:
    """Resizes once, to sides that the model's own processor leaves as they are.

    The longest side is at most `max_side_pixels`, both are multiples of `factor_pixels`.
    """
    width, height = image.size
    scale = min(1.0, max_side_pixels / max(width, height))
    height, width = smart_resize(
        max(factor_pixels, round(height * scale)),
        max(factor_pixels, round(width * scale)),
        factor=factor_pixels,
        min_pixels=min_pixels,
        max_pixels=min(max_pixels, max(min_pixels, max_side_pixels**2)),
    )
    if (width, height) == image.size:
        return image
    return image.resize((width, height), Image.Resampling.BICUBIC)


def to_png(image: Image.Image, note: PngInfo | None = None) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1, pnginfo=note)
    return buffer.getvalue()
