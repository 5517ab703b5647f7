"""ZIPs: refused with the entry's name, or taken though they are odd."""

import io
import stat
import struct
import zipfile

import pytest

from tests.gateway.packing import (
    CSV,
    HEADER,
    as_zip64,
    good_files,
    good_zip,
    image_bytes,
    pack,
    patched_directory,
    with_csv,
    with_declared_entries,
    with_duplicate,
    with_entries,
    with_mode,
    with_raw_name,
)
from tests.hostile.oracle import Refused, Taken, Target, judge, upload

IMAGE = "images/apple2.png"


def directory_field(offset: int, layout: str, value: int) -> bytes:
    return patched_directory(good_zip(), IMAGE, offset, layout, value)


def far_entry() -> bytes:
    """A ZIP64 record says that an entry starts where no file reaches."""
    data = good_zip()
    start, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    directory = bytearray(directory_field(42, "<I", 2**32 - 1)[start:end])
    directory += struct.pack("<2HQ", 1, 8, 2**64 - 1)
    struct.pack_into("<H", directory, directory.rindex(b"PK\x01\x02") + 30, 12)
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 3, 3, len(directory), start, 0)
    return data[:start] + bytes(directory) + tail


def damaged_bytes() -> bytes:
    """Stored bytes that are not those of the checksum."""
    return pack(good_files(), zipfile.ZIP_STORED).replace(b"IHDR", b"IHDX")


def bomb(size_bytes: int, declared: int | None = None) -> bytes:
    data = with_entries({"images/bomb.png": bytes(size_bytes)})
    if declared is None:
        return data
    return patched_directory(data, "images/bomb.png", 24, "<I", declared)


def without(name: str) -> bytes:
    return pack({key: data for key, data in good_files().items() if key != name})


def forced_zip64() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in good_files().items():
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(data)
    return as_zip64(buffer.getvalue())


def systems_files() -> bytes:
    extras = {
        "__MACOSX/._main.csv": b"x",
        "data/.DS_Store": b"x",
        "data/images/._apple1.jpg": b"x",
        "data/Thumbs.db": b"x",
        "data/images/": b"",
    }
    return pack({**{f"data/{name}": data for name, data in good_files().items()}, **extras})


REFUSED = {
    "../x": (with_raw_name(b"../x"), Refused(where="../x")),
    "a/../../x": (with_raw_name(b"a/../../x"), Refused(where="a/../../x")),
    "a\\..\\x": (with_raw_name(b"a\\..\\x"), Refused(where="a/../x")),
    "/etc/x": (with_raw_name(b"/etc/x"), Refused(where="/etc/x")),
    "C:\\x": (with_raw_name(b"C:\\x"), Refused(where="C:/x")),
    "//host/x": (with_raw_name(b"//host/x"), Refused(where="//host/x")),
    "NUL in a name": (with_raw_name(b"images/a\0.png"), Refused(where="images/a?.png")),
    "terminal codes in a name": (with_raw_name(b"images/\x1b[2J.png"), Refused(where="images/?")),
    "direction marks in a name": (
        with_raw_name("images/a\u202e.png".encode()),
        Refused(where="images/a?.png"),
    ),
    "a long name": (with_raw_name(b"images/" + b"x" * 5_000), Refused(says="1 to 255 characters")),
    "combining marks": (
        with_raw_name("ạ̈".encode() * 10_000),
        Refused(says="1 to 255 characters"),
    ),
    "symlink": (with_mode(stat.S_IFLNK | 0o777), Refused(where="images/other", says="symbolic")),
    "FIFO": (with_mode(stat.S_IFIFO | 0o644), Refused(where="images/other")),
    "block device": (with_mode(stat.S_IFBLK | 0o644), Refused(where="images/other")),
    "character device": (with_mode(stat.S_IFCHR | 0o644), Refused(where="images/other")),
    "socket": (with_mode(stat.S_IFSOCK | 0o644), Refused(where="images/other")),
    "a bomb": (bomb(300_000_000), Refused(413, "file", "unpacks to more than")),
    "a bomb that lies": (bomb(40_000_000, 10), Refused(413, "images/bomb.png", "larger than")),
    "a bomb as main.csv": (with_csv(bytes(40_000_000)), Refused(413, "main.csv", "larger than")),
    "a bomb as an image": (
        pack({"main.csv": CSV.encode(), "images/apple1.jpg": bytes(40_000_000), IMAGE: b""}),
        Refused(413, "images/apple1.jpg", "larger than 32 MiB"),
    ),
    "200,000 entries": (with_declared_entries(200_000), Refused(413, "file", "200000 entries")),
    "2^60 entries": (with_declared_entries(2**60), Refused(413, "file")),
    "a large directory": (
        pack({f"images/{'x' * 60_000}{n}": b"" for n in range(900)}),
        Refused(413, "file", "directory"),
    ),
    "encrypted": (directory_field(8, "<H", 1), Refused(where=IMAGE, says="encrypted")),
    "strongly encrypted": (directory_field(8, "<H", 0x41), Refused(where=IMAGE)),
    "an unknown compression": (directory_field(10, "<H", 99), Refused(where=IMAGE)),
    "bzip2": (pack(good_files(), zipfile.ZIP_BZIP2), Refused(where="main.csv", says="'deflate'")),
    "lzma": (pack(good_files(), zipfile.ZIP_LZMA), Refused(where="main.csv")),
    "truncated": (good_zip()[: len(good_zip()) // 2], Refused(where="file", says="truncated")),
    "without its last byte": (good_zip()[:-1], Refused(where="file")),
    "bad CRC": (directory_field(16, "<I", 12345), Refused(where=IMAGE, says="damaged")),
    "damaged bytes": (damaged_bytes(), Refused(where=IMAGE, says="damaged")),
    "a lying size": (directory_field(24, "<I", 7), Refused(where=IMAGE)),
    "a lying packed size": (directory_field(20, "<I", 7), Refused(where=IMAGE)),
    "empty file": (b"", Refused(where="file", says="empty")),
    "empty ZIP": (pack({}), Refused(where="file", says="empty")),
    "a tar": (b"x" * 257 + b"ustar" + b"\0" * 300, Refused(where="file", says="tar")),
    "a 7z": (b"7z\xbc\xaf\x27\x1c" + b"\0" * 100, Refused(where="file", says="7-Zip")),
    "a RAR": (b"Rar!\x1a\x07\0" + b"\0" * 100, Refused(where="file", says="RAR")),
    "a gzip": (b"\x1f\x8b\x08" + b"\0" * 100, Refused(where="file", says="gzip")),
    "text": (b"not a zip at all", Refused(where="file")),
    "an image": (image_bytes(), Refused(where="file")),
    "several parts": (
        good_zip()[:-18] + b"\1\0" + good_zip()[-16:],
        Refused(where="file", says="one part of several"),
    ),
    "a nested zip": (
        with_entries({"images/more.zip": good_zip()}),
        Refused(where="images/more.zip", says="never unpacked"),
    ),
    "no main.csv": (without("main.csv"), Refused(where="main.csv", says="is missing")),
    "main.csv in another folder": (
        pack({"a/main.csv": CSV.encode(), "images/apple1.jpg": image_bytes("JPEG")}),
        Refused(where="main.csv", says="a/main.csv"),
    ),
    "two main.csv": (with_entries({"copy/main.csv": CSV.encode()}), Refused(where="main.csv")),
    "a missing image": (
        without("images/apple1.jpg"),
        Refused(where="row 2", says="images/apple1.jpg is not in the ZIP"),
    ),
    "duplicate names": (
        with_duplicate("images/apple3.png"),
        Refused(where="images/apple3.png", says="more than once"),
    ),
    "entries that share their bytes": (directory_field(42, "<I", 0), Refused(where=IMAGE)),
    "an entry beyond the directory": (directory_field(42, "<I", 2**32 - 2), Refused(where="file")),
    "an entry beyond any file": (far_entry(), Refused(where="file")),
    "two directories": (good_zip() + good_zip()[-22:], Refused(where="file")),
}
TAKEN = {
    "zip64": (forced_zip64(), {"csv_rows": 2}),
    "what systems add, one folder around everything": (
        systems_files(),
        {"csv_rows": 2, "valid_images": 2, "warnings": []},
    ),
    "an image that no row names": (
        with_entries({"images/spare.png": b"any"}),
        {"warnings": ["images/spare.png: no row names it"]},
    ),
    "backslashes as separators": (
        good_zip().replace(b"images/apple", b"images\\apple"),
        {"valid_images": 2},
    ),
    "a comment at its end": (
        good_zip()[:-2] + b"\x05\0hello",
        {"valid_images": 2},
    ),
    "nothing compressed": (pack(good_files(), zipfile.ZIP_STORED), {"valid_images": 2}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(target: Target, name: str) -> None:
    data, expected = REFUSED[name]
    judge(target, upload(data), expected)


@pytest.mark.parametrize("name", TAKEN)
def test_taken(target: Target, name: str) -> None:
    data, body = TAKEN[name]
    judge(target, upload(data), Taken(body))


def test_missing_images_are_listed_up_to_twenty(target: Target) -> None:
    rows = "".join(f"no{number}.png,How many?,A photo of 3 apples\n" for number in range(30))
    refusal = Refused(where="row 2", says="29 more")
    body = judge(target, upload(with_csv(HEADER + rows)), refusal).json()
    assert len(body["errors"]) == 20
    assert body["errors"][0]["message"] == "images/no0.png is not in the ZIP"
