"""GIF (89a): the first frame, without comments, texts and the data of programs."""

from gateway.images.stripped import MOST_PARTS, Stripped, damage, too_many_parts

_HEADER_BYTES = 13
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9


def strip_gif(data: bytes) -> Stripped:
    """Raises BadImage."""
    at = _HEADER_BYTES + _table_bytes(data, 10)
    head, control = data[:at], b""
    for _ in range(MOST_PARTS):
        if at + 10 >= len(data):
            raise damage()
        if data[at] == _IMAGE:
            start = at + 11 + _table_bytes(data, at + 9)
            blocks, _ = _read_blocks(data, start)
            return Stripped(head + control + data[at:start] + blocks + bytes([_TRAILER]))
        if data[at] != _EXTENSION:
            raise damage()
        blocks, end = _read_blocks(data, at + 2)
        if data[at + 1] == _GRAPHIC_CONTROL:
            control = data[at : at + 2] + blocks
        at = end
    raise too_many_parts()


def _table_bytes(data: bytes, flags_at: int) -> int:
    """The size of the colour table that the flags announce."""
    if flags_at >= len(data):
        raise damage()
    flags = data[flags_at]
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _read_blocks(data: bytes, start: int) -> tuple[bytes, int]:
    """A run of blocks, each with its length before it, and where it ends.

    Of a truncated one the last block is made as short as it is, and the run is closed.
    """
    at = start
    for _ in range(MOST_PARTS):
        left = len(data) - at - 1
        if left < 1:
            return data[start:at] + b"\0", len(data)
        length = data[at]
        if length > left:
            return data[start:at] + bytes([left]) + data[at + 1 :] + b"\0", len(data)
        at += 1 + length
        if length == 0:
            return data[start:at], at
    raise too_many_parts()
