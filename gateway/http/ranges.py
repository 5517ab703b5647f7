"""The Range header (RFC 9110, 14.2), judged before a file is sent."""

import re

from gateway.errors import ApiError
from tally.messages.message import Message

_RANGE = re.compile(r"\s*([0-9]{0,18})-([0-9]{0,18})\s*")


class RangeNotSatisfiable(ApiError):
    status = 416


def check_range(byte_range: str | None, size_bytes: int) -> None:
    """Raises RangeNotSatisfiable where a range of the header names no bytes of such a file."""
    if byte_range is None:
        return
    unit, _, ranges = byte_range.partition("=")
    if unit != "bytes" or not all(_names_bytes(one, size_bytes) for one in ranges.split(",")):
        message = Message("range_without_bytes", size_bytes=size_bytes)
        raise RangeNotSatisfiable.at("Range", message, {"Content-Range": f"bytes */{size_bytes}"})


def _names_bytes(text: str, size_bytes: int) -> bool:
    """Whether `first-last`, `first-` or `-count` names bytes of a file of this size."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return False
    first, last = match.groups()
    if not first:
        return bool(last) and int(last) > 0
    return int(first) < size_bytes and (not last or int(last) >= int(first))
