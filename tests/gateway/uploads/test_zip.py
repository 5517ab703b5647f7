"""ZIPs that must be refused, and odd ones that must be taken."""

import io
import stat
import struct
import zipfile
from unittest.mock import Mock

import pytest

from gateway.errors import ApiError
from gateway.settings import GatewaySettings
from gateway.uploads import zip_directory
from gateway.uploads.archive import Archive
from tests.gateway.checks import finish
from tests.gateway.packing import (
    CSV,
    good_files,
    good_zip,
    pack,
    patched_directory,
    with_csv,
    with_duplicate,
    with_entries,
    with_mode,
    with_raw_name,
)


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def with_bad_crc() -> bytes:
    return patched_directory(good_zip(), "images/apple2.png", 16, "<I", 12345)


def with_far_entry() -> bytes:
    """A ZIP64 record says that an entry starts where no file reaches."""
    data = good_zip()
    start, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    directory = patched_directory(data, "images/apple2.png", 42, "<I", 2**32 - 1)[start:end]
    directory = bytearray(directory + struct.pack("<2HQ", 1, 8, 2**64 - 1))
    struct.pack_into("<H", directory, directory.rindex(b"PK\x01\x02") + 30, 12)
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 3, 3, len(directory), start, 0)
    return data[:start] + bytes(directory) + tail


def without(name: str) -> bytes:
    return pack({key: data for key, data in good_files().items() if key != name})


BAD = {
    "parent": with_raw_name(b"../x"),
    "parent within": with_raw_name(b"a/../../x"),
    "backslashes": with_raw_name(b"a\\..\\x"),
    "absolute": with_raw_name(b"/etc/x"),
    "drive": with_raw_name(b"C:\\x"),
    "share": with_raw_name(b"//host/x"),
    "nul": with_raw_name(b"images/a\0.png"),
    "symlink": with_mode(stat.S_IFLNK | 0o777),
    "fifo": with_mode(stat.S_IFIFO | 0o644),
    "device": with_mode(stat.S_IFBLK | 0o644),
    "encrypted": patched_directory(good_zip(), "images/apple2.png", 8, "<H", 1),
    "unknown compression": patched_directory(good_zip(), "images/apple2.png", 10, "<H", 99),
    "bzip2": pack(good_files(), zipfile.ZIP_BZIP2),
    "truncated": truncated(good_zip()),
    "bad crc": with_bad_crc(),
    "lying size": patched_directory(good_zip(), "images/apple2.png", 24, "<I", 7),
    "nothing": b"",
    "no entries": pack({}),
    "tar": b"x" * 257 + b"ustar" + b"\0" * 300,
    "7z": b"7z\xbc\xaf\x27\x1c" + b"\0" * 100,
    "rar": b"Rar!\x1a\x07\0" + b"\0" * 100,
    "text": b"not a zip at all",
    "nested": with_entries({"images/more.zip": good_zip()}),
    "no csv": without("main.csv"),
    "two csvs": with_entries({"copy/main.csv": CSV.encode()}),
    "missing image": without("images/apple1.jpg"),
    "duplicate": with_duplicate("images/apple3.png"),
    "entry beyond": patched_directory(good_zip(), "images/apple2.png", 42, "<I", 2**32 - 2),
    "entry beyond any file": with_far_entry(),
    "overlap": patched_directory(good_zip(), "images/apple2.png", 42, "<I", 0),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_zip_is_refused_and_leaves_nothing(gateway, name):
    response = await gateway.upload(BAD[name])
    body = response.json()
    assert response.status_code == 422, body
    assert set(body) == {"detail", "errors"}
    assert body["errors"]
    assert str(gateway.settings.data_dir) not in response.text
    assert gateway.staged() == []
    assert list((gateway.settings.data_dir / "datasets").iterdir()) == []
    assert (await gateway.client.get("/files")).json() == []
    assert (await gateway.upload(good_zip())).status_code == 200


async def test_twenty_missing_images_are_listed(gateway):
    rows = "".join(f"no{number}.png,How many?,A photo of 3 apples\n" for number in range(30))
    body = (await gateway.upload(with_csv(CSV + rows))).json()
    assert len(body["errors"]) == 20
    missing = {"where": "row 4", "message": "images/no0.png is not in the ZIP"}
    assert body["errors"][0] == missing
    assert "29 more" in body["detail"]


async def test_what_systems_add_is_ignored_and_a_folder_unwrapped(gateway):
    files = {f"training_data/{name}": data for name, data in good_files().items()}
    extras = {
        "__MACOSX/._main.csv": b"x",
        "training_data/.DS_Store": b"x",
        "training_data/images/._apple1.jpg": b"x",
        "training_data/images/": b"",
    }
    body = (await gateway.upload(pack({**files, **extras}))).json()
    assert (body["csv_rows"], body["valid_images"], body["warnings"]) == (2, 2, [])


async def test_backslashes_as_separators_are_read_as_slashes(gateway):
    data = good_zip().replace(b"images/apple", b"images\\apple")
    assert (await gateway.upload(data)).status_code == 200


async def test_an_unused_image_is_a_warning(gateway):
    body = (await gateway.upload(with_entries({"images/spare.png": b"any"}))).json()
    assert body["warnings"] == ["images/spare.png: no row names it"]


async def test_zip64_is_taken(gateway):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in good_files().items():
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(data)
    assert (await gateway.upload(as_zip64(buffer.getvalue()))).status_code == 200


def as_zip64(data: bytes) -> bytes:
    """The same ZIP with a ZIP64 end of its directory."""
    at = data.rindex(b"PK\x05\x06")
    _, _, _, _, entries, size, offset, _ = struct.unpack("<4s4H2LH", data[at:])
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, offset
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)
    return data[:at] + record + locator + end


def refusal(tmp_path, data: bytes, **limits) -> int:
    path = tmp_path / "upload.zip"
    path.write_bytes(data)
    settings = GatewaySettings(**limits)
    try:
        archive = Archive(path, settings)
        archive.read("main.csv", settings.max_csv_bytes)
        finish(archive.verify_rest({"main.csv"}))
    except ApiError as error:
        return error.status
    return 200


def test_a_bomb_is_too_large_by_its_declared_size(tmp_path):
    data = with_entries({"images/bomb.png": bytes(3_000_000)})
    assert refusal(tmp_path, data, max_unpacked_bytes=1_000_000) == 413


def test_a_bomb_is_too_large_by_its_real_bytes(tmp_path):
    bomb = with_entries({"images/bomb.png": bytes(3_000_000)})
    lying = patched_directory(bomb, "images/bomb.png", 24, "<I", 10)
    assert refusal(tmp_path, lying, max_image_bytes=1_000_000) == 413


def test_a_csv_bomb_is_too_large(tmp_path):
    assert refusal(tmp_path, with_csv(bytes(3_000_000)), max_csv_bytes=1_000_000) == 413


def test_too_many_entries_are_counted_before_the_directory_is_read(tmp_path):
    data = bytearray(as_zip64(good_zip()))
    at = data.rindex(b"PK\x06\x06")
    struct.pack_into("<2Q", data, at + 24, 200_000, 200_000)
    assert refusal(tmp_path, bytes(data)) == 413


def test_entries_beyond_the_declared_count_are_not_read(tmp_path, monkeypatch):
    data = bytearray(with_entries({f"images/{number}.png": b"" for number in range(200)}))
    struct.pack_into("<2H", data, data.rindex(b"PK\x05\x06") + 8, 3, 3)
    read = Mock(wraps=zip_directory._entry)
    monkeypatch.setattr(zip_directory, "_entry", read)
    assert refusal(tmp_path, bytes(data)) == 422
    assert read.call_count == 4


def test_a_real_zip_of_too_many_entries_is_too_large(tmp_path):
    data = with_entries({f"images/{number}.png": b"" for number in range(200)})
    assert refusal(tmp_path, data, max_entries=100) == 413
