"""Any decodable image to the one picture that learner and engine both see. Pure."""

import io

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from learner_service.dataset_settings import DatasetSettings
from learner_service.errors import InvalidDataset
from tally.families.grid import ImageGrid
from tally.text.sinks import to_status

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
_SIXTEEN_BIT_MODES = {"I", "I;16", "I;16B", "I;16L"}


def decode(data: bytes, name: str, limits: DatasetSettings) -> Image.Image:
    """Decodes the first frame, applies its EXIF orientation and returns it as 8-bit RGB.

    Nothing that was told with it stays. Raises InvalidDataset that names `name`.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        _check_size(image, name, limits)
        image.load()
        picture = _rgb(_upright(image))
    except InvalidDataset:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(name, limits) from error
    except Exception as error:  # decoders raise whatever their C code met
        formats = ", ".join(_FORMATS)
        message = f"{to_status(name)}: not an image that can be decoded; expected {formats}"
        raise InvalidDataset(message) from error
    picture.info = {}
    return picture


def _check_size(image: Image.Image, name: str, limits: DatasetSettings) -> None:
    """Before the pixels: a small file may declare an enormous picture."""
    width, height = image.size
    if width * height > limits.max_image_pixels or max(width, height) > limits.max_image_side:
        raise _too_many_pixels(name, limits)


def _too_many_pixels(name: str, limits: DatasetSettings) -> InvalidDataset:
    return InvalidDataset(
        f"{to_status(name)}: expected at most {limits.max_image_pixels:,} pixels, and "
        f"{limits.max_image_side:,} a side"
    )


def _upright(image: Image.Image) -> Image.Image:
    """As its EXIF says; as it is where that is broken."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # tags may be of any type
        return image


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
