"""JPEG (ITU-T T.81) without EXIF, XMP, profiles, comments, previews and what follows its end."""

import re
import struct

from gateway.images.exif import read_orientation
from gateway.images.stripped import MOST_PARTS, UPRIGHT, BadImage, Stripped, too_many_parts
from tally.messages.message import Message

_END, _SCAN, _APP0, _APP1, _APP14 = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE
# Frames and tables: what decoding needs.
_KEPT = {*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
# Each scan may be a few bytes that make the decoder go over the whole picture; encoders write ten.
_MOST_SCANS = 32


def strip_jpeg(data: bytes) -> Stripped:
    """The first picture; of a truncated one as much as there is. Raises BadImage."""
    kept, scans, orientation = [data[:2]], 0, None
    at = 2
    for _ in range(MOST_PARTS):
        marker = _MARKER.search(data, at)
        if marker is None:
            break
        at, code = marker.start(), data[marker.start() + 1]
        if code == _END:
            kept.append(data[at : at + 2])
            break
        if code in _WITHOUT_LENGTH:
            at += 2
            continue
        if at + 4 > len(data):
            break
        [length] = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        if code == _SCAN:
            scans += 1
            end = _find_marker(data, end)
            kept.append(data[at:end])
        elif code == _APP1 and orientation is None and data.startswith(b"Exif\0", at + 4):
            orientation = read_orientation(data[at + 4 : end])
        else:
            kept.append(_keep(code, data[at + 4 : end]))
        if scans > _MOST_SCANS:
            raise BadImage(Message("picture_scans", most=_MOST_SCANS))
        at = max(end, at + 2)
    else:
        raise too_many_parts()
    return Stripped(b"".join(kept), orientation or UPRIGHT)


def _find_marker(data: bytes, start: int) -> int:
    """Where the coded data that begin at `start` end."""
    marker = _MARKER.search(data, start)
    return len(data) if marker is None else marker.start()


def _keep(code: int, payload: bytes) -> bytes:
    """The segment, or what decoding needs of it."""
    if code == _APP0 and payload.startswith(b"JFIF\0") and len(payload) >= 14:
        payload = payload[:12] + b"\0\0"  # no preview
    elif code == _APP14 and payload.startswith(b"Adobe") and len(payload) >= 12:
        payload = payload[:12]
    elif code not in _KEPT:
        return b""
    return struct.pack(">2BH", 0xFF, code, len(payload) + 2) + payload
