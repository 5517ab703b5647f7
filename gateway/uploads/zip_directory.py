"""The central directory of a ZIP, read from its raw bytes (PKWARE APPNOTE 4.3).

Not `zipfile`: it strips what is dangerous in a name, reads the directory before its size can be
judged, and may choose another directory than a checker did.
"""

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gateway.errors import TooLarge, Unprocessable
from tally.messages.message import Message

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_MOST_COMMENT_BYTES = 65_535
_MOST_BYTES_PER_ENTRY = 1_024
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF
_ZIP64_EXTRA = 0x0001
# Where its magic number stands, the number, its name.
_OTHER_ARCHIVES = (
    (0, b"Rar!", "RAR"),
    (0, b"7z\xbc\xaf", "7-Zip"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zX", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard"),
    (257, b"ustar", "tar"),
)


class DirectoryEntry(NamedTuple):
    """One record of the directory, nothing of it believed yet."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    compressed_bytes: int
    size_bytes: int
    unix_mode: int
    header_offset: int


class _End(NamedTuple):
    entries: int
    directory_bytes: int
    directory_offset: int
    position: int


def read_directory(path: Path, max_entries: int) -> list[DirectoryEntry]:
    """The entries of the ZIP at `path` in the directory's order.

    Raises TooLarge, before the directory is read, where it counts more than `max_entries`;
    Unprocessable where it is not one whole ZIP.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        _check_magic(file, size)
        end = _find_end(file, size)
        if end.entries > max_entries:
            message = Message("too_many_entries", entries=end.entries, most=max_entries)
            raise TooLarge.at("file", message)
        if end.directory_bytes > max_entries * _MOST_BYTES_PER_ENTRY:
            raise TooLarge.at("file", Message("directory_too_large"))
        if end.directory_offset + end.directory_bytes != end.position:
            raise _broken()
        file.seek(end.directory_offset)
        directory = file.read(end.directory_bytes)
    entries = list(islice(_entries(directory), end.entries + 1))
    if len(entries) != end.entries:
        raise _broken()
    if any(entry.header_offset >= end.directory_offset for entry in entries):
        raise _broken()
    return entries


def _broken() -> Unprocessable:
    return Unprocessable.at("file", Message("zip_broken"))


def _check_magic(file: BinaryIO, size: int) -> None:
    file.seek(0)
    head = file.read(512)
    if size == 0:
        raise Unprocessable.at("file", Message("upload_empty"))
    for at, magic, name in _OTHER_ARCHIVES:
        if head.startswith(magic, at):
            raise Unprocessable.at("file", Message("other_archive", format=name))
    if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise Unprocessable.at("file", Message("no_zip"))


def _find_end(file: BinaryIO, size: int) -> _End:
    tail_bytes = min(size, _END.size + _MOST_COMMENT_BYTES)
    file.seek(size - tail_bytes)
    tail = file.read(tail_bytes)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if len(tail) - at >= _END.size:
            fields = _END.unpack_from(tail, at)
            if at + _END.size + fields[7] == len(tail):
                return _end_of(file, fields, size - tail_bytes + at)
        at = tail.rfind(b"PK\x05\x06", 0, at)
    raise _broken()


def _end_of(file: BinaryIO, fields: tuple[int, ...], position: int) -> _End:
    _, disk, directory_disk, entries_here, entries, directory_bytes, offset, _ = fields
    end64 = _read_end64(file, position)
    if end64 is not None:
        return end64
    if _FULL_16 in (disk, directory_disk, entries) or _FULL_32 in (directory_bytes, offset):
        raise _broken()
    if disk or directory_disk or entries_here != entries:
        raise Unprocessable.at("file", Message("zip_split"))
    return _End(entries, directory_bytes, offset, position)


def _read_end64(file: BinaryIO, position: int) -> _End | None:
    locator_at = position - _END64_LOCATOR.size
    if locator_at < 0:
        return None
    file.seek(locator_at)
    magic, _, record_at, _ = _END64_LOCATOR.unpack(file.read(_END64_LOCATOR.size))
    if magic != b"PK\x06\x07":
        return None
    if record_at + _END64.size > locator_at:
        raise _broken()
    file.seek(record_at)
    fields = _END64.unpack(file.read(_END64.size))
    magic, record_bytes, _, _, disk, directory_disk, here, entries, size, offset = fields
    if magic != b"PK\x06\x06" or record_at + 12 + record_bytes != locator_at:
        raise _broken()
    if disk or directory_disk or here != entries:
        raise Unprocessable.at("file", Message("zip_split"))
    return _End(entries, size, offset, record_at)


def _entries(directory: bytes) -> Iterator[DirectoryEntry]:
    at = 0
    while at < len(directory):
        if at + _ENTRY.size > len(directory):
            raise _broken()
        entry, at = _entry(directory, at)
        yield entry


def _entry(directory: bytes, at: int) -> tuple[DirectoryEntry, int]:
    (
        magic, _, _, _, _, flags, method, _, _, crc, packed, size,
        name_bytes, extra_bytes, comment_bytes, disk, _, attributes, offset,
    ) = _ENTRY.unpack_from(directory, at)  # fmt: skip
    name_at = at + _ENTRY.size
    extra_at = name_at + name_bytes
    following = extra_at + extra_bytes + comment_bytes
    if magic != b"PK\x01\x02" or following > len(directory) or disk not in (0, _FULL_16):
        raise _broken()
    extra = directory[extra_at : extra_at + extra_bytes]
    if _FULL_32 in (size, packed, offset):
        size, packed, offset = _widen(extra, size, packed, offset)
    name = directory[name_at:extra_at]
    mode = attributes >> 16
    entry = DirectoryEntry(name, flags, method, crc, packed, size, mode, offset)
    return entry, following


def _widen(extra: bytes, *narrow: int) -> list[int]:
    """Size, packed size and offset, taken from the ZIP64 extra field where they did not fit."""
    wide = _zip64_extra(extra)
    values = []
    for value in narrow:
        if value == _FULL_32 and wide is not None:
            if len(wide) < 8:
                raise _broken()
            value, wide = struct.unpack_from("<Q", wide)[0], wide[8:]  # noqa: PLW2901
        values.append(value)
    return values


def _zip64_extra(extra: bytes) -> bytes | None:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64_EXTRA:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return None
