"""TIFF and BMP: checked before they are decoded; what is kept of them is written anew."""

import struct

from gateway.images.stripped import BadImage, Stripped, damage
from tally.messages.message import Message

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_ONE_BYTE_TYPES = {1, 2, 6, 7}
_MOST_ENTRIES = 1_000
# Strips and tiles, above all: a picture of the longest side has one for each line.
_MOST_NUMBERS = 100_000
_RUN_LENGTHS = {1, 2}


def check_tiff(data: bytes) -> Stripped:
    """The same bytes; raises BadImage for a directory that takes long to read."""
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 8:
        raise damage()
    [at] = struct.unpack_from(f"{order}L", data, 4)
    if at + 2 > len(data):
        raise damage()
    [entries] = struct.unpack_from(f"{order}H", data, at)
    if entries > _MOST_ENTRIES or at + 2 + 12 * entries > len(data):
        raise damage()
    numbers = size_bytes = 0
    for entry in range(entries):
        _, kind, count = struct.unpack_from(f"{order}HHL", data, at + 2 + 12 * entry)
        size_bytes += count * _TYPE_BYTES.get(kind, 0)
        numbers += 0 if kind in _ONE_BYTE_TYPES else count
    if size_bytes > len(data):
        raise damage()
    if numbers > _MOST_NUMBERS:
        raise BadImage(Message("picture_directory", most=_MOST_NUMBERS))
    return Stripped(data)


def check_bmp(data: bytes) -> Stripped:
    """The same bytes; raises BadImage where they are packed in runs, which are read slowly."""
    if len(data) < 34:
        raise damage()
    header_bytes, compression = struct.unpack_from("<L12xL", data, 14)
    if header_bytes > 12 and compression in _RUN_LENGTHS:
        raise BadImage(Message("picture_in_runs"))
    return Stripped(data)
