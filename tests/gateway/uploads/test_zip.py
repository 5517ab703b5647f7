"""ZIPs: what is counted before it is read. `tests/hostile` has those that are refused and taken."""

import struct
from unittest.mock import Mock

from gateway.errors import ApiError
from gateway.settings import GatewaySettings
from gateway.uploads import zip_directory
from gateway.uploads.archive import Archive
from tests.gateway.checks import finish
from tests.gateway.packing import (
    patched_directory,
    with_csv,
    with_declared_entries,
    with_entries,
)


def refusal(tmp_path, data: bytes, **limits) -> int:
    path = tmp_path / "upload.zip"
    path.write_bytes(data)
    settings = GatewaySettings(**limits)
    try:
        archive = Archive(path, settings)
        archive.read("main.csv", settings.max_csv_bytes)
        finish(archive.verify_rest())
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
    assert refusal(tmp_path, with_declared_entries(200_000)) == 413


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
