"""Datasets of a stranger: each with what its refusal says."""

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from PIL import Image

from tests.gateway.images.bombs import png_of_declared_size
from tests.gateway.packing import pack
from tests.learner_service.data.test_dataset import encoded, line

ROWS = "tally.samples.jsonl"
PICTURE = encoded(Image.new("RGB", (56, 56), "red"))
archive = partial(pack, compression=zipfile.ZIP_STORED)


def rows(*lines: bytes | dict[str, object], images: Mapping[str, bytes] | None = None) -> bytes:
    """A dataset of these lines and of the image `a.png`."""
    texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines]
    entries = {"a.png": PICTURE} if images is None else images
    return archive({**entries, ROWS: b"\n".join(texts)})


def picture(data: bytes) -> bytes:
    return rows(line("a.png"), images={"a.png": data})


def zeros(mebibytes: int) -> Iterable[bytes]:
    return (bytes(1024**2) for _ in range(mebibytes))


def bomb(name: str, blocks: Iterable[bytes], declared_bytes: int | None = None) -> bytes:
    """A ZIP whose entry inflates to `blocks`, and declares as many bytes or `declared_bytes`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        with packed.open(name, "w", force_zip64=True) as file:
            for block in blocks:
                file.write(block)
        if name != ROWS:
            packed.writestr(ROWS, json.dumps(line(name)))
        if declared_bytes is not None:
            packed.getinfo(name).file_size = declared_bytes
    return buffer.getvalue()


def many_entries() -> bytes:
    return archive(dict.fromkeys(map(str, range(100_001)), b""))


def endless_directory() -> bytes:
    """An end of a ZIP that says its directory has 4 GiB less one byte, with zeros before it."""
    size = 2**32 - 2
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFE, 0xFFFE, size, 0, 0)
    return bytes(1000) + end


def twice() -> bytes:
    return archive({"a.png": PICTURE, "b.png": PICTURE, ROWS: b""}).replace(b"b.png", b"a.png")


def encrypted() -> bytes:
    data = bytearray(rows(line("a.png")))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + place] |= 1
    return bytes(data)


def flipped() -> bytes:
    data = bytearray(rows(line("a.png")))
    data[data.find(b"How many")] ^= 1
    return bytes(data)


# What is wrong with the rows or the archive: said when a job is started.
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "no zip": (lambda: b"no", "is not a ZIP file"),
    "nothing": (lambda: b"", "is not a ZIP file"),
    "cut off": (lambda: rows(line("a.png"))[:-30], "is not a ZIP file"),
    "a directory of 4 GiB": (endless_directory, "ZIP"),
    "100,001 entries": (many_entries, "at most 100,000"),
    "an entry twice": (twice, "is there twice"),
    "encrypted": (encrypted, "stored or deflated"),
    "bzip2": (
        lambda: pack({ROWS: b"{}", "a.png": PICTURE}, zipfile.ZIP_BZIP2),
        "stored or deflated",
    ),
    "a flipped byte": (flipped, "is damaged"),
    "no rows entry": (lambda: archive({"a.png": PICTURE}), "samples.jsonl is not in the dataset"),
    "no rows": (rows, "holds no row"),
    "rows that inflate to 256 MiB": (lambda: bomb(ROWS, zeros(256)), "at most 134,217,728 bytes"),
    "rows that declare little and inflate to 256 MiB": (
        lambda: bomb(ROWS, zeros(256), declared_bytes=100),
        ROWS,
    ),
    "200,000 rows": (
        lambda: rows(*(line("a.png", row=n) for n in range(200_000))),
        "at most 100,000 rows",
    ),
    "a line of 2 MiB": (lambda: rows(line("a.png", question="x" * 2**21)), "line 1: at most"),
    "a long question": (lambda: rows(line("a.png", question="x" * 10_001)), "question: at most"),
    "no json": (lambda: rows(b"{row: 1}"), "line 1: Invalid JSON"),
    "a blank line": (
        lambda: rows(line("a.png"), b"", line("a.png", row=3)),
        "line 2: Invalid JSON",
    ),
    "no UTF-8": (lambda: rows(b'{"row": 2, "image": "\xff'), "line 1: Invalid JSON"),
    "half a surrogate": (lambda: rows(b'{"image": "\\ud800"}'), "line 1: Invalid JSON"),
    "nested lists": (lambda: rows(b"[" * 100_000), "line 1: Invalid JSON"),
    "a list": (lambda: rows(b"[]"), "line 1"),
    "a number without end": (
        lambda: rows(b'{"row": ' + b"9" * 10_000 + b"}"),
        "number out of range",
    ),
    "a row beyond 31 bits": (lambda: rows(line("a.png", row=2**31)), "line 1: row"),
    "a row below 0": (lambda: rows(line("a.png", row=-1)), "line 1: row"),
    "a row twice": (lambda: rows(line("a.png"), line("a.png")), "line 2: row 2 is there twice"),
    "a count beyond 64 bits": (lambda: rows(line("a.png", true_count=2**64)), "line 1: true_count"),
    "a count beyond all": (lambda: rows(line("a.png", true_count=10**9 + 1)), "true_count"),
    "NaN": (lambda: rows(line("a.png", true_count=float("nan"))), "line 1"),
    "half a count": (lambda: rows(line("a.png", true_count=2.5)), "line 1: true_count"),
    "a field more": (lambda: rows(line("a.png", code="rm")), "line 1: code"),
    "an image that is not there": (lambda: rows(line("b.png")), "b.png is not in the dataset"),
    "an image outside": (lambda: rows(line("../../etc/passwd")), "passwd is not in the dataset"),
    "control characters": (
        lambda: rows(line("\x1b[31m\u202e")),
        r"\u001b[31m\u202e is not in the dataset",
    ),
}
# What is wrong with an image: said when it is decoded.
HOSTILE_IMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a picture of 4 billion pixels": (
        lambda: picture(png_of_declared_size(2**16, 2**16)),
        "a.png: expected at most 50,000,000 pixels",
    ),
    "a picture of 60 million pixels": (
        lambda: picture(png_of_declared_size(7_800, 7_800)),
        "a.png: expected at most 50,000,000 pixels",
    ),
    "a line of pixels": (lambda: picture(png_of_declared_size(40_000, 1)), "16,384 a side"),
    "no picture": (lambda: picture(b"<svg/>"), "a.png: not an image that can be decoded"),
    "a picture cut off": (
        lambda: picture(encoded(Image.effect_noise((90, 90), 50))[:-999]),
        "a.png",
    ),
    "a postscript file": (lambda: picture(b"%!PS-Adobe-3.0 EPSF-3.0\n" * 99), "expected JPEG, PNG"),
    "a picture that inflates to 64 MiB": (
        lambda: bomb("a.png", zeros(64)),
        "a.png: at most 33,554,432 bytes",
    ),
    "a picture that declares little and inflates to 64 MiB": (
        lambda: bomb("a.png", zeros(64), declared_bytes=100),
        "a.png",
    ),
}


def write(folder: Path, make: Callable[[], bytes]) -> Path:
    path = folder / "dataset.zip"
    path.write_bytes(make())
    return path
