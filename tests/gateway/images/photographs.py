"""Pictures that tell more than they show: where they were taken, by whom, and which way is up."""

import io
import struct
import zlib

from PIL import Image
from PIL.PngImagePlugin import PngInfo

SECRET = "Somebody at home"
_ORIENTATION, _DESCRIPTION, _GPS = 0x0112, 0x010E, 0x8825
_XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{SECRET}</x:xmpmeta>'.encode()


def scene(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """A picture in which each corner differs, so that a turn shows."""
    image = Image.new("RGB", size, "grey")
    for corner, colour in (((0, 0), "red"), ((size[0] // 2, 0), "green"), ((0, 24), "blue")):
        image.paste(colour, (*corner, corner[0] + 24, corner[1] + 16))
    return image.convert(mode)


def exif_of(orientation: object = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    exif[_DESCRIPTION] = SECRET
    exif.get_ifd(_GPS).update({1: "N", 2: (25.0, 2.0, 3.0), 29: SECRET})
    return exif


def photograph(image_format: str, orientation: int = 1, mode: str = "RGB") -> bytes:
    """With EXIF and GPS, XMP, a profile, comments and texts, as far as the format has them."""
    told = {
        "exif": exif_of(orientation).tobytes(),
        "icc_profile": SECRET.encode() * 9,
        "xmp": _XMP,
        "comment": SECRET,
    }
    options = {
        "JPEG": {**told, "quality": 95},
        "PNG": {"exif": told["exif"], "icc_profile": told["icc_profile"], "pnginfo": _texts()},
        "WEBP": {key: told[key] for key in ("exif", "icc_profile", "xmp")} | {"lossless": True},
        "GIF": {"comment": SECRET},
        "TIFF": {"exif": exif_of(orientation), "description": SECRET, "software": SECRET},
        "BMP": {},
    }[image_format]
    buffer = io.BytesIO()
    scene(mode).save(buffer, image_format, **options)
    return buffer.getvalue() + SECRET.encode() * (image_format in ("JPEG", "PNG", "GIF"))


def _texts() -> PngInfo:
    texts = PngInfo()
    texts.add_text("Author", SECRET)
    texts.add_text("Comment", SECRET, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", _XMP.decode())
    return texts


def with_raw_exif(exif: bytes) -> bytes:
    """A JPEG whose EXIF is these bytes, which no library would write."""
    plain = io.BytesIO()
    scene().save(plain, "JPEG")
    payload = b"Exif\0\0" + exif
    segment = struct.pack(">2sH", b"\xff\xe1", len(payload) + 2) + payload
    return plain.getvalue()[:2] + segment + plain.getvalue()[2:]


def exif_entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
    """EXIF of a single entry, of any type."""
    entry = struct.pack("<HHL4s", tag, kind, count, value)
    return b"II*\0" + struct.pack("<LH", 8, 1) + entry + bytes(4)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">L", len(data)) + body + struct.pack(">L", zlib.crc32(body))
