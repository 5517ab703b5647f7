"""An uploaded ZIP whose entries were judged."""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from gateway.errors import TooLarge, Unprocessable
from gateway.settings import MIB, GatewaySettings
from gateway.uploads.checking import Check
from gateway.uploads.entries import DEFLATED, ENCRYPTED, Entry, is_untold, judge, unwrap
from gateway.uploads.zip_directory import read_directory
from tally.messages.message import Message

_LOCAL = struct.Struct("<4s5H3L2H")
_BLOCK_BYTES = 256 * 1024
_FREELY_UNPACKED_BYTES = 256 * MIB


class Archive:
    """The files of an upload by name. Raises Unprocessable or TooLarge where it is refused."""

    def __init__(self, path: Path, settings: GatewaySettings, encoding: str | None = None) -> None:
        """`encoding` is that of names which are not UTF-8."""
        self._path = path
        self.size_bytes = path.stat().st_size
        self._settings = settings
        self._records = read_directory(path, settings.max_entries)
        self.entries = unwrap(judge(self._records, encoding))
        self._read_names: set[str] = set()
        self._most_bytes = self._bytes_left = _most_unpacked_bytes(path, settings)
        self._check_sizes()

    @property
    def untold_names(self) -> list[bytes]:
        """Those that are no UTF-8, and do not say in which encoding they are."""
        return [record.raw_name for record in self._records if is_untold(record)]

    @property
    def told_names(self) -> list[str]:
        """The others."""
        untold = set(self.untold_names)
        return [
            entry.name for entry in self.entries.values() if entry.record.raw_name not in untold
        ]

    def rename(self, encoding: str) -> None:
        """Reads such names in another encoding; raises Unprocessable."""
        self.entries = unwrap(judge(self._records, encoding))

    def read(self, name: str, limit_bytes: int) -> bytes:
        """The inflated bytes of an entry, its length and checksum verified."""
        return b"".join(self.blocks(self.entries[name], limit_bytes))

    def blocks(self, entry: Entry, limit_bytes: int) -> Iterator[bytes]:
        """Inflates an entry block by block; the real bytes count, whatever the ZIP declares."""
        size, crc = 0, 0
        with self._path.open("rb") as file:
            _skip_local_header(file, entry)
            for block in _inflate(file, entry):
                size += len(block)
                if size > limit_bytes:
                    message = Message("entry_too_large", most=readable_bytes(limit_bytes))
                    raise TooLarge.at(entry.name, message)
                self._bytes_left -= len(block)
                if self._bytes_left < 0:
                    raise self._too_large()
                crc = zlib.crc32(block, crc)
                yield block
        if size != entry.record.size_bytes or crc != entry.record.crc:
            raise _damage(entry)
        self._read_names.add(entry.name)

    def unread(self) -> list[str]:
        """The names of the entries that nothing has read to their end, sorted."""
        return sorted(self.entries.keys() - self._read_names)

    def verify_rest(self) -> Check[None]:
        """Inflates and forgets what nothing has read yet, so that a bomb or damage shows."""
        for name in self.unread():
            for _ in self.blocks(self.entries[name], self._settings.max_image_bytes):
                yield

    def _too_large(self) -> TooLarge:
        return TooLarge.at(
            "file", Message("unpacks_too_large", most=readable_bytes(self._most_bytes))
        )

    def _check_sizes(self) -> None:
        """Refuses what is too large by its own word, and entries that share their bytes."""
        if sum(entry.record.size_bytes for entry in self.entries.values()) > self._most_bytes:
            raise self._too_large()
        end = 0
        for entry in sorted(self.entries.values(), key=lambda entry: entry.record.header_offset):
            record, name_bytes = entry.record, len(entry.record.raw_name)
            if record.header_offset < end:
                raise _damage(entry)
            end = record.header_offset + _LOCAL.size + name_bytes + record.compressed_bytes


def _most_unpacked_bytes(path: Path, settings: GatewaySettings) -> int:
    """A small ZIP may unpack to much; a large one to so many times its own bytes."""
    by_ratio = int(settings.max_unpacked_ratio * path.stat().st_size)
    return min(settings.max_unpacked_bytes, max(_FREELY_UNPACKED_BYTES, by_ratio))


def readable_bytes(size_bytes: int) -> str:
    """As a person reads it."""
    return f"{size_bytes // MIB} MiB" if size_bytes >= MIB else f"{size_bytes} bytes"


def _damage(entry: Entry) -> Unprocessable:
    return Unprocessable.at(entry.name, Message("entry_damaged"))


def _skip_local_header(file: BinaryIO, entry: Entry) -> None:
    file.seek(entry.record.header_offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size:
        raise _damage(entry)
    magic, _, flags, method, *_, name_bytes, extra_bytes = _LOCAL.unpack(head)
    name = file.read(name_bytes)
    if magic != b"PK\x03\x04" or name != entry.record.raw_name or method != entry.record.method:
        raise _damage(entry)
    if flags & ENCRYPTED:
        raise Unprocessable.at(entry.name, Message("entry_encrypted"))
    file.seek(extra_bytes, os.SEEK_CUR)


def _inflate(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    packed_left = entry.record.compressed_bytes
    inflater = zlib.decompressobj(-zlib.MAX_WBITS) if entry.record.method == DEFLATED else None
    while packed_left:
        packed = file.read(min(_BLOCK_BYTES, packed_left))
        if not packed:
            raise _damage(entry)
        packed_left -= len(packed)
        if inflater is None:
            yield packed
            continue
        try:
            while packed:
                block = inflater.decompress(packed, _BLOCK_BYTES)
                packed = inflater.unconsumed_tail
                yield block
                if inflater.eof and (packed_left or inflater.unused_data):
                    raise _damage(entry)
        except zlib.error as error:
            raise _damage(entry) from error
    if inflater is not None and not inflater.eof:
        yield from _flush(inflater, entry)


def _flush(inflater: Any, entry: Entry) -> Iterator[bytes]:
    block = inflater.flush()
    if not inflater.eof:
        raise _damage(entry)
    yield block
