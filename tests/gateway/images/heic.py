"""HEIC as phones take it, and as nobody should."""

import io

import pillow_heif
from PIL import Image

from tests.gateway.images.photographs import exif_of

_SIZE_BOX = b"ispe\0\0\0\0"


def heic(size: tuple[int, int] = (96, 64), orientation: int = 1, mode: str = "RGB") -> bytes:
    """With a red corner, above on the left, and with the place in its EXIF.

    An orientation is written as phones do: the picture lies on its side, and says how to turn it.
    """
    image = Image.new(mode, size, "green")
    image.paste("red", (0, 0, size[0] // 2, size[1] // 2))
    image.getexif().update(exif_of(orientation))
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90, exif=exif_of(orientation).tobytes())
    return buffer.getvalue()


def that_says(size: tuple[int, int], data: bytes) -> bytes:
    """The same picture, which says that it has another size."""
    at = data.index(_SIZE_BOX) + len(_SIZE_BOX)
    said = b"".join(side.to_bytes(4, "big") for side in size)
    return data[:at] + said + data[at + len(said) :]
