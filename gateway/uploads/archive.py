"""An uploaded ZIP whose entries were judged: where main.csv is, which images there are."""

import os
import stat
import struct
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gateway.errors import Problem, TooLarge, Unprocessable, refuse
from gateway.settings import MIB, GatewaySettings
from gateway.uploads.zip_directory import DirectoryEntry, read_directory

CSV_NAME = "main.csv"
IMAGES_FOLDER = "images/"
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _UTF8 = 0x0001 | 0x0040, 0x0800
_LOCAL = struct.Struct("<4s5H3L2H")
_BLOCK_BYTES = 256 * 1024
_MOST_NAME_CHARACTERS = 255
_IGNORED_NAMES = {".ds_store", "thumbs.db", "desktop.ini"}
_ARCHIVE_SUFFIXES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True)
class Entry:
    """A regular file of the ZIP under its judged name, the wrapping folder taken away."""

    name: str
    record: DirectoryEntry


class Archive:
    """The files of an upload by name. Raises Unprocessable or TooLarge where it is refused."""

    def __init__(
        self,
        path: Path,
        settings: GatewaySettings,
        encoding: str | None = None,
        check_layout: Callable[[dict[str, Entry]], None] | None = None,
    ) -> None:
        """`check_layout` looks for what must be there: main.csv, unless it is given."""
        self._path = path
        self._settings = settings
        records = read_directory(path, settings.max_entries)
        self.entries = _unwrap(_judge(records, encoding))
        (check_layout or _check_data_layout)(self.entries)
        _check_sizes(self.entries, settings)

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
                    raise TooLarge.at(
                        entry.name, f"is larger than {_readable(limit_bytes)} unpacked"
                    )
                crc = zlib.crc32(block, crc)
                yield block
        if size != entry.record.size_bytes or crc != entry.record.crc:
            raise _damage(entry)

    def verify_rest(self, done: set[str], check: Callable[[], None]) -> None:
        """Inflates and forgets what nothing has read yet, so that a bomb or damage shows."""
        for name, entry in self.entries.items():
            if name not in done:
                check()
                for _ in self.blocks(entry, self._settings.max_image_bytes):
                    pass


def _readable(size_bytes: int) -> str:
    return f"{size_bytes // MIB} MiB" if size_bytes >= MIB else f"{size_bytes} bytes"


def _damage(entry: Entry) -> Unprocessable:
    message = "is damaged: its bytes are not those that were packed; make the ZIP again"
    return Unprocessable.at(entry.name, message)


def _skip_local_header(file: BinaryIO, entry: Entry) -> None:
    file.seek(entry.record.header_offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size:
        raise _damage(entry)
    magic, _, flags, method, *_, name_bytes, extra_bytes = _LOCAL.unpack(head)
    name = file.read(name_bytes)
    if magic != b"PK\x03\x04" or name != entry.record.raw_name or method != entry.record.method:
        raise _damage(entry)
    if flags & _ENCRYPTED:
        raise Unprocessable.at(entry.name, "is encrypted; make the ZIP without a password")
    file.seek(extra_bytes, os.SEEK_CUR)


def _inflate(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    packed_left = entry.record.compressed_bytes
    inflater = zlib.decompressobj(-zlib.MAX_WBITS) if entry.record.method == _DEFLATED else None
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


def _judge(records: list[DirectoryEntry], encoding: str | None) -> list[Entry]:
    """The regular files that count; folders and what operating systems add are left out."""
    problems: list[Problem] = []
    entries: list[Entry] = []
    for record in records:
        name = _decode_name(record, encoding)
        problem = _name_problem(name) or _kind_problem(record)
        shown = "".join(mark if mark.isprintable() else "?" for mark in name)[
            :_MOST_NAME_CHARACTERS
        ]
        if problem:
            problems.append(Problem(shown, problem))
        elif not _is_ignored(name):
            problem = _content_problem(name, record)
            problems += [Problem(shown, problem)] if problem else []
            entries.append(Entry(name, record))
    counts = Counter(entry.name for entry in entries)
    twice = [name for name, count in counts.items() if count > 1]
    problems += [Problem(name, "is in the ZIP more than once; keep one") for name in twice]
    refuse(problems)
    return entries


def _decode_name(record: DirectoryEntry, encoding: str | None) -> str:
    """The name with forward slashes, composed (NFC) as CSV files have it."""
    try:
        name = record.raw_name.decode("utf-8")
    except UnicodeDecodeError:
        legacy = "cp437" if record.flags & _UTF8 or not encoding else encoding
        name = record.raw_name.decode(legacy, "replace")
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _name_problem(name: str) -> str | None:
    if not name or len(name) > _MOST_NAME_CHARACTERS:
        return f"a name has 1 to {_MOST_NAME_CHARACTERS} characters"
    if not name.isprintable():
        return "the name holds control characters; rename it"
    if name.startswith("/") or name[1:2] == ":":
        return "the name is absolute; pack names relative to the ZIP"
    if any(part in ("..", ".") for part in name.split("/")):
        return "the name leads out of the ZIP; pack names without '.' and '..'"
    return None


def _kind_problem(record: DirectoryEntry) -> str | None:
    kind = stat.S_IFMT(record.unix_mode)
    if kind == stat.S_IFLNK:
        return "is a symbolic link; pack the file itself"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is not a regular file; pack files only"
    return None


def _content_problem(name: str, record: DirectoryEntry) -> str | None:
    if record.flags & _ENCRYPTED:
        return "is encrypted; make the ZIP without a password"
    if record.method not in (_STORED, _DEFLATED):
        return "uses a compression that is not taken; pack with 'deflate' or 'store'"
    if name.lower().endswith(_ARCHIVE_SUFFIXES):
        return "is an archive within the ZIP and is never unpacked; pack its files directly"
    return None


def _is_ignored(name: str) -> bool:
    parts = name.split("/")
    base = parts[-1]
    return (
        not base or "__MACOSX" in parts or base.startswith("._") or base.lower() in _IGNORED_NAMES
    )


def _unwrap(entries: list[Entry]) -> dict[str, Entry]:
    """Takes one folder around everything away."""
    tops = {entry.name.split("/", 1)[0] for entry in entries}
    wrapped = len(tops) == 1 and all("/" in entry.name for entry in entries)
    if wrapped and tops != {IMAGES_FOLDER.rstrip("/")}:
        inner = [Entry(entry.name.split("/", 1)[1], entry.record) for entry in entries]
    else:
        inner = entries
    return {entry.name: entry for entry in inner}


def _check_data_layout(entries: dict[str, Entry]) -> None:
    if not entries:
        raise Unprocessable.at("file", "is an empty ZIP; pack main.csv and images/")
    tables = [name for name in entries if name.rsplit("/", 1)[-1].lower() == CSV_NAME]
    if len(tables) > 1:
        refuse([Problem(name, "there is more than one main.csv; keep one") for name in tables])
    if CSV_NAME not in entries:
        found = f"; there is {tables[0]}, move it to {CSV_NAME}" if tables else ""
        message = f"is missing: pack it at the top of the ZIP, beside images/{found}"
        raise Unprocessable.at(CSV_NAME, message)


def _check_sizes(entries: dict[str, Entry], settings: GatewaySettings) -> None:
    """Refuses by declared sizes what is too large anyway, and entries that share their bytes."""
    declared = sum(entry.record.size_bytes for entry in entries.values())
    if declared > settings.max_unpacked_bytes:
        limit = _readable(settings.max_unpacked_bytes)
        raise TooLarge.at("file", f"unpacks to more than {limit}; split it")
    end = 0
    for entry in sorted(entries.values(), key=lambda entry: entry.record.header_offset):
        if entry.record.header_offset < end:
            raise _damage(entry)
        name_bytes = len(entry.record.raw_name)
        end = entry.record.header_offset + _LOCAL.size + name_bytes + entry.record.compressed_bytes
