"""WebP (RFC 9649): the first frame, without EXIF, XMP and profiles."""

import struct

from gateway.images.exif import read_orientation
from gateway.images.stripped import MOST_PARTS, UPRIGHT, Stripped, damage, too_many_parts

_HEADER_BYTES = 12
_ALPHA_FLAG, _ANIMATION_FLAG = 0x10, 0x02
_KEPT = {b"ALPH", b"VP8 ", b"VP8L", b"ANIM", b"ANMF"}


def strip_webp(data: bytes) -> Stripped:
    """Of an animation the first frame. Raises BadImage."""
    kept: dict[bytes, bytes] = {}
    orientation = UPRIGHT
    at = _HEADER_BYTES
    for _ in range(MOST_PARTS):
        if at + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sL", data, at)
        end = at + 8 + length + length % 2
        if kind == b"VP8X":
            kept.setdefault(kind, _without_flags(data[at:end]))
        elif kind in _KEPT:
            kept.setdefault(kind, data[at:end])
        elif kind == b"EXIF":
            orientation = read_orientation(data[at + 8 : end])
        at = end
    else:
        raise too_many_parts()
    body = b"".join(kept.values())
    return Stripped(b"RIFF" + struct.pack("<L", len(body) + 4) + b"WEBP" + body, orientation)


def _without_flags(chunk: bytes) -> bytes:
    """The extended header that announces what is kept, and nothing else."""
    if len(chunk) < 18:
        raise damage()
    flags = chunk[8] & (_ALPHA_FLAG | _ANIMATION_FLAG)
    return chunk[:8] + bytes([flags]) + chunk[9:]
