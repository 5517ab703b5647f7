"""Whether bytes are an image that can be trained on: decoded fully, in a format of the list."""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from gateway.settings import GatewaySettings

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# A JPEG with several pictures in it (many phones) is opened by this name.
_SUFFIXES = {
    "JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "GIF": "gif",
    "TIFF": "tiff",
}  # fmt: skip
_JPEG_QUALITY = 88


def image_problem(data: bytes, settings: GatewaySettings) -> str | None:
    """What is wrong with the image, and what would be right; None where it is good."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            problem = _size_problem(image.width, image.height, settings)
            if problem is None:
                image.load()
            return problem
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return _too_many_pixels(settings)
    except UnidentifiedImageError:
        return f"is not an image in one of the formats {', '.join(FORMATS)}"
    except Exception:  # decoders raise whatever their C code met; all of it means a bad image
        return "is truncated or damaged; export it again"


def image_suffix(data: bytes) -> str:
    """The ending that fits the format, whatever the file was called."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return _SUFFIXES[image.format or ""]


def thumbnail(data: bytes, max_side: int) -> bytes:
    """An upright JPEG of the first frame, its longest side at most `max_side` pixels."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.draft("RGB", (max_side, max_side))
        small = _rgb(image)
        small.thumbnail((max_side, max_side))
        small = ImageOps.exif_transpose(small)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _rgb(image: Image.Image) -> Image.Image:
    """A copy in 8-bit RGB, transparency on white; it keeps the orientation that EXIF tells."""
    exif = image.getexif()
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    rgb = image.convert("RGB")
    rgb.info["exif"] = exif.tobytes()
    return rgb


def _too_many_pixels(settings: GatewaySettings) -> str:
    return f"has more than {settings.max_image_pixels:,} pixels; shrink it"


def _size_problem(width: int, height: int, settings: GatewaySettings) -> str | None:
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
