"""What reading an upload's parts costs at the gateway, at its worst that a search finds.

    python -m bench.upload_cost [--minutes 10] [--seed 1] [--quick]

For each reader (tables, directories of ZIPs, headers of pictures, JSON, forms) the search puts
fragments together that cost most CPU a byte, and what it ends with is measured at several sizes:
the cost of a byte stays, or falls where a bound is hit. CPU time of this process.
"""

import asyncio
import contextlib
import json
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.measure import cpu_seconds
from bench.report import options, print_json, print_table
from bench.slowest import search
from gateway.errors import ApiError
from gateway.http.receiving import FormShape, IncomingForm, receive_form
from gateway.images.reading import clean_image
from gateway.images.stripped import BadImage
from gateway.jobs.train_models import TrainRequest
from gateway.settings import MIB, GatewaySettings
from gateway.uploads.archive import Archive
from gateway.uploads.bad_rows import BadRows
from gateway.uploads.csv_table import read_csv
from gateway.uploads.text_encoding import decode
from tally.messages.languages import Language
from tally.messages.message import Message

SETTINGS = GatewaySettings()
SEARCH_BYTES = 20_000
SIZES = (64 * 1024, MIB, 16 * MIB)
_BLOCK_BYTES = 64 * 1024
_HEADER = "images_path,question,answer\n"
_EXIF = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"


@dataclass(frozen=True)
class Reader:
    """What it is given: fragments again and again, with a start before them."""

    read: Callable[[bytes], object]
    start: bytes
    fragments: Sequence[bytes]

    def make(self, fragments: Sequence[bytes], size_bytes: int) -> bytes:
        piece = b"".join(fragments) or b" "
        return self.start + (piece * (size_bytes // len(piece) + 1))[:size_bytes]

    def cost(self, fragments: Sequence[bytes], size_bytes: int, repeats: int = 1) -> float:
        """Seconds of CPU a byte; a refusal is an answer too."""
        data = self.make(fragments, size_bytes)
        return cpu_seconds(lambda: self._answer(data), repeats) / size_bytes

    def _answer(self, data: bytes) -> None:
        with contextlib.suppress(ApiError, BadImage, ValidationError, ValueError, RecursionError):
            self.read(data)


def read_table(data: bytes) -> None:
    text = decode(data, None).text
    _finish(read_csv(text, "main.csv", SETTINGS, BadRows(skip=False)))


def _finish(check: Generator[None, None, Any]) -> None:
    for _ in check:
        pass


def read_zip(directory: bytes) -> None:
    """A ZIP of this directory; how many entries it announces is what it has."""
    entries = directory.count(b"PK\1\2")
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, entries % 2**16, entries % 2**16, len(directory), 30, 0
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload.zip"
        path.write_bytes(b"PK\3\4" + bytes(26) + directory + end)
        Archive(path, SETTINGS)


def entry(name: bytes, extra: bytes = b"") -> bytes:
    lengths = (len(name), len(extra), 0, 0, 0)
    fields = struct.pack("<4B4H3L5H2L", *[0] * 11, *lengths, 0, 2**32 - 1)
    return b"PK\1\2" + fields + name + extra


def read_picture(data: bytes) -> None:
    clean_image(data, SETTINGS)


def read_json(data: bytes) -> None:
    TrainRequest.model_validate(json.loads(data[: SETTINGS.max_json_bytes]))


def read_form(data: bytes) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), _BLOCK_BYTES):
            yield data[at : at + _BLOCK_BYTES]

    form = IncomingForm("multipart/form-data; boundary=b", blocks(), Language.ENGLISH)
    missing = Message("zip_part_missing", part="file")
    shape = FormShape("file", missing, SETTINGS.max_upload_bytes, {"encoding": 100})
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(receive_form(form, Path(folder), shape))


def png_chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">L", len(data)) + kind + data + bytes(4)


def segment(code: int, data: bytes = b"") -> bytes:
    return struct.pack(">2BH", 0xFF, code, len(data) + 2) + data


_MARKS = [",", '"', '""', "\n", "\r", " ", "a", "0", "=", "蘋", "ạ̈", "\u0301\u0323", "\ufeff", "\0"]
_ROWS = ["a.png,How many?,3\n", "a,b,c\n", ",,\n", f"{'ạ̈' * 80},q,3\n", f"a,{'x' * 3_900},3\n"]
_FORM_MARKS = [b"\r", b"\n", b"--b", b"\r\n--b\r\n", b"\r\n--b", b"--", b": ", b";", b'"', b"a"]
_DISPOSITION = b'Content-Disposition: form-data; name="encoding"\r\n\r\n'
_NAMES = [b"", b"a", b"a/" * 99, b"images/a.png", b"\\" * 200, "ạ̈".encode() * 40, b"\xff" * 250]
_EXTRAS = [b"\1\0\0\0" * 9, b"\2\0\0\0" * 900, bytes(4_000)]
_CODES = (0xE0, 0xE1, 0xFE, 0xDB, 0xC4, 0xC0, 0xDA)
_CHUNKS = (b"IHDR", b"IDAT", b"tEXt", b"eXIf", b"acTL", b"PLTE")
_PAYLOADS = (b"", b"a\0b", _EXIF, b"JFIF\0" + bytes(9), bytes(300))
_BLOCKS = [b"!\xfe", b"!\xf9\4\0\0\0\0\0", b"\1x", b"\0", b"\xff" + bytes(255)]
_RIFF_KINDS = (b"VP8X", b"EXIF", b"JUNK", b"ANMF")
_JSON = [*(bytes([mark]) for mark in b'{}[],:"'), b'"a"', b'"\\ud800"', b"1e9", b"9" * 300]
READERS = {
    "table": Reader(read_table, _HEADER.encode(), [one.encode() for one in (*_MARKS, *_ROWS)]),
    "directory": Reader(
        read_zip, b"", [*map(entry, _NAMES), *(entry(b"a", extra) for extra in _EXTRAS)]
    ),
    "JPEG": Reader(
        read_picture,
        b"\xff\xd8\xff",
        [segment(code, data) for code in _CODES for data in _PAYLOADS] + [b"\xff", b"\xff\0", b"a"],
    ),
    "PNG": Reader(
        read_picture,
        b"\x89PNG\r\n\x1a\n",
        [png_chunk(kind, data) for kind in _CHUNKS for data in _PAYLOADS] + [b"\0"],
    ),
    "GIF": Reader(read_picture, b"GIF89a\x09\0\x09\0\0\0\0", [*_BLOCKS, b"," + bytes(9)]),
    "WebP": Reader(
        read_picture,
        b"RIFF\0\0\0\0WEBP",
        [
            kind + struct.pack("<L", len(data)) + data
            for kind in _RIFF_KINDS
            for data in (b"", bytes(10), _EXIF)
        ],
    ),
    "TIFF": Reader(
        read_picture,
        b"II*\0\x08\0\0\0\xe8\3",
        [
            struct.pack("<HHLL", tag, kind, count, 0)
            for tag in (256, 273, 279, 339, 0x8769)
            for kind in (1, 3, 5, 99)
            for count in (0, 1, 1_000, 2**32 - 1)
        ],
    ),
    "JSON": Reader(read_json, b"", _JSON),
    "form": Reader(read_form, b"--b\r\n", [*_FORM_MARKS, _DISPOSITION, b"x" * 1_000]),
}


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to search in all")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    minutes = 0.1 if chosen.quick else chosen.minutes
    figures: dict[str, dict[str, float]] = {}
    for name, reader in READERS.items():
        found = search(
            reader.fragments,
            lambda fragments, reader=reader: reader.cost(fragments, SEARCH_BYTES),  # type: ignore[misc]
            seed=chosen.seed,
            minutes=minutes / len(READERS),
        )[:4]
        figures[name] = {
            str(size): MIB * max(reader.cost(one.fragments, size) for one in found)
            for size in SIZES
        }
    columns = ["reader", *(f"{size // 1024} KiB" for size in SIZES)]
    print_table([*columns, "(CPU s a MiB)"], [[n, *by.values(), ""] for n, by in figures.items()])
    print_json("upload_cost", {"seed": chosen.seed, "minutes": minutes}, figures)


if __name__ == "__main__":
    main()
