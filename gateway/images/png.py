"""PNG (ISO/IEC 15948) with the chunks alone that make the picture."""

import struct

from gateway.images.exif import read_orientation
from gateway.images.stripped import MOST_PARTS, UPRIGHT, Stripped, too_many_parts

_SIGNATURE_BYTES = 8
_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


def strip_png(data: bytes) -> Stripped:
    """Of an animation the first frame; of a truncated one as much as there is. Raises BadImage."""
    kept, orientation = [data[:_SIGNATURE_BYTES]], UPRIGHT
    at = _SIGNATURE_BYTES
    for _ in range(MOST_PARTS):
        if at + 8 > len(data):
            break
        length, kind = struct.unpack_from(">L4s", data, at)
        end = at + 12 + length
        if kind in _KEPT:
            kept.append(data[at:end])
        elif kind == b"eXIf":
            orientation = read_orientation(data[at + 8 : end - 4])
        if kind == b"IEND":
            break
        at = end
    else:
        raise too_many_parts()
    return Stripped(b"".join(kept), orientation)
