"""Pictures of few bytes that would take much work: of what they declare, or of many parts."""

import struct
import zlib

from tests.gateway.images.photographs import png_chunk
from tests.gateway.packing import image_bytes


def png_of_declared_size(width: int, height: int, data_bytes: int = 100) -> bytes:
    """A PNG whose header promises this many pixels, and whose data are so many bytes unpacked."""
    header = png_chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(bytes(data_bytes)))
    return b"\x89PNG\r\n\x1a\n" + header + data + png_chunk(b"IEND", b"")


_PNG, _JPEG, _WEBP = image_bytes("PNG"), image_bytes("JPEG"), image_bytes("WEBP")
_GIF_HEAD = b"GIF89a\1\0\1\0\0\0\0"
# With those that the picture itself has, one more than the gateway takes.
_PARTS = 200_000
FLOODS = {
    "PNG of chunks": _PNG[:33] + png_chunk(b"tEXt", b"a\0b") * _PARTS,
    "JPEG of segments": _JPEG[:2] + b"\xff\xfe\0\2" * _PARTS + _JPEG[2:],
    "JPEG of scans": _JPEG[:-2] + b"\xff\xda\0\2" * 40 + b"\xff\xd9",
    "GIF of blocks": _GIF_HEAD + b"\x21\xfe" + b"\1x" * (_PARTS + 1),
    "GIF of extensions": _GIF_HEAD + b"\x21\xfe\0" * _PARTS + bytes(20),
    "WebP of chunks": _WEBP[:12] + b"JUNK\0\0\0\0" * _PARTS + _WEBP[12:],
    "BMP of runs": b"BM" + bytes(12) + b"\x28" + bytes(15) + b"\1" + bytes(40),
    "TIFF of strips": b"II*\0\x08\0\0\0\1\0\x11\1\4\0\xa1\x86\1\0\0\0\0\0" + bytes(500_000),
}
