"""The one thing of EXIF that matters to a picture: which way is up."""

import struct

from gateway.images.stripped import UPRIGHT

_ORIENTATION, _SHORT = 0x0112, 3
_MOST_ENTRIES = 1_000


def read_orientation(exif: bytes) -> int:
    """1 to 8 as EXIF has it; 1, which is upright, where it says nothing that can be read.

    `exif` is a TIFF header with its directory, "Exif" before it or not.
    """
    data = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return UPRIGHT
    [at] = struct.unpack_from(f"{order}L", data, 4)
    if at + 2 > len(data):
        return UPRIGHT
    [entries] = struct.unpack_from(f"{order}H", data, at)
    for entry_at in range(at + 2, at + 2 + 12 * min(entries, _MOST_ENTRIES), 12):
        if entry_at + 12 > len(data):
            break
        tag, kind, count, value = struct.unpack_from(f"{order}HHLH", data, entry_at)
        if tag == _ORIENTATION:
            readable = kind == _SHORT and count == 1 and 1 <= value <= 8
            return int(value) if readable else UPRIGHT
    return UPRIGHT
