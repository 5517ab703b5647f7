"""A picture's bytes to those that are kept and shown: decoded fully, and nothing told with them."""

import io
from collections.abc import Callable, Mapping
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from gateway.images.bitmaps import check_bmp, check_tiff
from gateway.images.gif import strip_gif
from gateway.images.heic import heic_to_jpeg, is_heic
from gateway.images.jpeg import strip_jpeg
from gateway.images.png import strip_png
from gateway.images.stripped import UPRIGHT, BadImage, Stripped, damage
from gateway.images.webp import strip_webp
from gateway.settings import GatewaySettings
from tally.messages.message import Message

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "HEIC")
_MAGIC = {
    b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF87a": "GIF", b"GIF89a": "GIF",
    b"RIFF": "WEBP", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF",
}  # fmt: skip
_STRIP: Mapping[str, Callable[[bytes], Stripped]] = {
    "JPEG": strip_jpeg, "PNG": strip_png, "WEBP": strip_webp, "GIF": strip_gif,
    "BMP": check_bmp, "TIFF": check_tiff,
}  # fmt: skip
# Whose bytes stay as they are but for what is told of the picture, with their ending.
_SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA"}
_JPEG_MODES = {"L", "RGB", "CMYK"}
_KEPT_QUALITY, _THUMBNAIL_QUALITY = 95, 88


class CleanImage(NamedTuple):
    """An upright picture, nothing told with it; the suffix fits its format."""

    data: bytes
    suffix: str


def clean_image(data: bytes, settings: GatewaySettings) -> CleanImage:
    """Decodes the picture fully, within the bounds. Raises BadImage.

    Equal bytes give equal bytes. Those of JPEG, PNG, WebP and GIF stay as they are but for what is
    told of the picture; one that EXIF turns is turned and written anew, and so are TIFF, BMP and
    HEIC, which becomes JPEG.
    """
    if is_heic(data):
        data = heic_to_jpeg(
            data,
            settings.max_image_pixels,
            settings.max_image_side,
            lambda width, height: _check_size(width, height, settings),
        )
    name = _format_of(data)
    stripped = _STRIP[name](data)
    try:
        with Image.open(io.BytesIO(stripped.data), formats=(name,)) as image:
            _check_size(image.width, image.height, settings)
            image.load()
            clean = _as_stripped(stripped, name) or _write_anew(image, stripped, name)
            _check_bytes(clean, settings)
            return clean
    except BadImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels(settings) from None
    except UnidentifiedImageError:
        raise _unknown_format() from None
    except Exception as error:  # decoders raise whatever their C code met: a bad image
        raise damage() from error


def show_image(data: bytes) -> CleanImage:
    """As clean_image, of a picture that it has judged, or that an older version has."""
    name = _format_of(data)
    stripped = _STRIP[name](data)
    if clean := _as_stripped(stripped, name):
        return clean
    with Image.open(io.BytesIO(stripped.data), formats=(name,)) as image:
        image.load()
        return _write_anew(image, stripped, name)


def thumbnail(data: bytes, max_side: int) -> bytes:
    """An upright JPEG of the first frame, its longest side at most `max_side` pixels."""
    name = _format_of(data)
    stripped = _STRIP[name](data)
    with Image.open(io.BytesIO(stripped.data), formats=(name,)) as image:
        image.draft("RGB", (max_side, max_side))
        small = _rgb(image)
    small.thumbnail((max_side, max_side))
    small = _turn(small, stripped.orientation)
    return _encode(small, "JPEG", quality=_THUMBNAIL_QUALITY)


def _format_of(data: bytes) -> str:
    for magic, name in _MAGIC.items():
        if data.startswith(magic) and (name != "WEBP" or data[8:12] == b"WEBP"):
            return name
    raise _unknown_format()


def _unknown_format() -> BadImage:
    return BadImage(Message("picture_format", formats=", ".join(FORMATS)))


def _as_stripped(stripped: Stripped, name: str) -> CleanImage | None:
    """The picture whose bytes may stay as they are."""
    if name in _SUFFIXES and stripped.orientation == UPRIGHT:
        return CleanImage(stripped.data, _SUFFIXES[name])
    return None


def _write_anew(image: Image.Image, stripped: Stripped, name: str) -> CleanImage:
    upright = _turn(image, stripped.orientation)
    if name == "JPEG" and upright.mode in _JPEG_MODES:
        return CleanImage(_encode(upright, "JPEG", quality=_KEPT_QUALITY, subsampling=0), "jpg")
    if upright.mode.startswith("I"):
        upright = upright.convert("I").convert("I;16")
    elif upright.mode not in _PNG_MODES:
        upright = upright.convert("RGB")
    return CleanImage(_encode(upright, "PNG", compress_level=1), "png")


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    """Pillow has turned a TIFF already when it was decoded."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _encode(image: Image.Image, name: str, **options: int) -> bytes:
    image.info = {key: image.info[key] for key in ("transparency",) if key in image.info}
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _rgb(image: Image.Image) -> Image.Image:
    """A copy in 8-bit RGB, transparency on white."""
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return image.convert("RGB")


def _too_many_pixels(settings: GatewaySettings) -> BadImage:
    return BadImage(Message("picture_pixels", most=settings.max_image_pixels))


def _check_bytes(clean: CleanImage, settings: GatewaySettings) -> None:
    """One that is written anew may have grown."""
    if len(clean.data) > settings.max_image_bytes:
        most = settings.max_image_bytes
        raise BadImage(Message("picture_bytes", most=most, suffix=clean.suffix))


def _check_size(width: int, height: int, settings: GatewaySettings) -> None:
    short, long = sorted((width, height))
    if short < settings.min_image_side:
        least = settings.min_image_side
        raise BadImage(Message("picture_too_small", width=width, height=height, least=least))
    if long > settings.max_image_side:
        most = settings.max_image_side
        raise BadImage(Message("picture_too_long", width=width, height=height, most=most))
    if width * height > settings.max_image_pixels:
        raise _too_many_pixels(settings)
    if long > settings.max_image_aspect * short:
        times = settings.max_image_aspect
        raise BadImage(Message("picture_too_narrow", width=width, height=height, most=times))
