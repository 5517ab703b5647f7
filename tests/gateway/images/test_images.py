"""Images: decoded fully, in the formats of the list."""

import io
import struct
import zlib

import pytest
from PIL import Image

from tests.gateway.packing import image_bytes, with_image


def animated_gif() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("P", (64, 48), color) for color in range(3)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def png_of_declared_size(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises this many pixels."""
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


GOOD = {
    "cmyk": image_bytes("JPEG", mode="CMYK"),
    "16-bit": image_bytes("PNG", mode="I;16"),
    "palette": image_bytes("PNG", mode="P"),
    "1-bit": image_bytes("PNG", mode="1"),
    "alpha": image_bytes("PNG", mode="RGBA"),
    "jpeg named png": image_bytes("JPEG"),
    "webp": image_bytes("WEBP"),
    "bmp": image_bytes("BMP"),
    "tiff": image_bytes("TIFF"),
    "gif": image_bytes("GIF"),
    "animated": animated_gif(),
    "small": image_bytes("PNG", size=(8, 8)),
}
BAD = {
    "truncated": image_bytes("JPEG")[:-200],
    "truncated png": image_bytes("PNG")[:-30],
    "bomb": png_of_declared_size(60_000, 60_000),
    "large": png_of_declared_size(15_000, 15_000),
    "one pixel": image_bytes("PNG", size=(1, 1)),
    "a line": image_bytes("PNG", size=(1, 10_000)),
    "a band": image_bytes("PNG", size=(5, 5_000)),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "html": b"<html><body>not found</body></html>",
    "psd": b"8BPS\0\x01" + b"\0" * 60,
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "ppm": image_bytes("PPM"),
    "nothing": b"",
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_good_image_is_taken(gateway, name):
    response = await gateway.upload(with_image(GOOD[name]))
    assert response.status_code == 200, response.text
    assert response.json()["valid_images"] == 1


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_image_is_refused_by_name(gateway, name):
    response = await gateway.upload(with_image(BAD[name]))
    assert response.status_code == 422, response.text
    assert [error["where"] for error in response.json()["errors"]] == ["images/x.png"]
    assert gateway.staged() == []
