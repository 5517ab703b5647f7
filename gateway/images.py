"""Whether bytes are an image that can be trained on: decoded fully, in a format of the list."""

import io

from PIL import Image

from gateway.settings import Settings

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# A JPEG with several pictures in it (many phones) is opened by this name.
_SUFFIXES = {
    "JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "GIF": "gif",
    "TIFF": "tiff",
}  # fmt: skip


def image_problem(data: bytes, settings: Settings) -> str | None:
    """What is wrong with the image, and what would be right; None where it is good."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            problem = _size_problem(image.width, image.height, settings)
            if problem is None:
                image.load()
            return problem
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return _too_many_pixels(settings)
    except Image.UnidentifiedImageError:
        return f"is not an image in one of the formats {', '.join(FORMATS)}"
    except Exception:  # decoders raise whatever their C code met; all of it means a bad image
        return "is truncated or damaged; export it again"


def image_suffix(data: bytes) -> str:
    """The ending that fits the format, whatever the file was called."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return _SUFFIXES[image.format or ""]


def _too_many_pixels(settings: Settings) -> str:
    return f"has more than {settings.max_image_pixels:,} pixels; shrink it"


def _size_problem(width: int, height: int, settings: Settings) -> str | None:
    short, long = sorted((width, height))
    if short < settings.min_image_side:
        return f"is {width}×{height} pixels; each side has at least {settings.min_image_side}"
    if long > settings.max_image_side:
        return f"is {width}×{height} pixels; a side has at most {settings.max_image_side}"
    if width * height > settings.max_image_pixels:
        return _too_many_pixels(settings)
    if long > settings.max_image_aspect * short:
        most = settings.max_image_aspect
        return f"is {width}×{height} pixels; a side is at most {most:g} times the other"
    return None
