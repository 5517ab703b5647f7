"""Work is bounded, and one upload never holds up another."""

import contextlib
import io
import struct
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.gateway.images.photographs import png_chunk
from tests.gateway.packing import HEADER, good_zip, image_bytes, pack, with_csv
from tests.hostile.conftest import running_target
from tests.hostile.oracle import Refused, Target, judge, upload
from tests.waiting import wait_until


def slow_pictures(number: int, side: int) -> bytes:
    """A small ZIP of large pictures, each of its own bytes."""
    picture = image_bytes("PNG", (side, side), "1")
    files = {
        f"images/{n}.png": picture[:-12] + png_chunk(b"tEXt", b"n\0%d" % n) + picture[-12:]
        for n in range(number)
    }
    rows = "".join(f"{n}.png,How many?,{n}\n" for n in range(number))
    return pack({"main.csv": (HEADER + rows).encode(), **files})


def test_a_small_upload_is_through_while_hostile_ones_are_checked(tmp_path: Path) -> None:
    """They would take minutes, and are cut off when the small one is through."""
    (root := tmp_path / "gateway").mkdir()
    hostile = slow_pictures(400, 4_000)
    with ThreadPoolExecutor(6) as threads:
        limits = {"validation_threads": 1, "validation_seconds": 3_600, "drain_seconds": 0}
        with running_target(root, **limits) as narrow:
            sent = [threads.submit(_send_alone, narrow, hostile) for _ in range(6)]
            wait_until(lambda: len(list(narrow.data_dir.glob("staging/*/dataset.zip"))) == 6)
            assert upload(good_zip())(narrow.client).status_code == 200
            assert not any(one.done() for one in sent)


def _send_alone(target: Target, data: bytes) -> None:
    """Over a connection of its own, which the gateway's end may break."""
    with (
        contextlib.suppress(httpx.TransportError),
        httpx.Client(base_url=target.client.base_url, timeout=None) as client,
    ):
        upload(data)(client)


def test_an_upload_that_takes_too_much_computing_is_too_large(tmp_path: Path) -> None:
    (root := tmp_path / "gateway").mkdir()
    limits = {"validation_seconds": 0.3, "validation_seconds_per_mib": 0.1}
    with running_target(root, **limits) as narrow:
        too_long = Refused(413, "file", "of computing to check; split it")
        judge(narrow, upload(slow_pictures(100, 4_000)), too_long)


def test_tables_that_cost_seconds_once_are_refused_side_by_side(target: Target) -> None:
    tables = [
        with_csv(HEADER.encode() + b"\n" * 30_000_000),
        with_csv(HEADER.encode() + b"," * 30_000_000),
        with_csv(HEADER.encode() + (b'"\n"' + b"," * 99) * 300_000),
    ]
    with ThreadPoolExecutor(9) as threads:
        answers = list(threads.map(lambda data: upload(data)(target.client), tables * 3))
    assert {answer.status_code for answer in answers} == {413}
    judge(target, upload(b""), Refused(where="file"))


def test_entries_that_no_row_names_unpack_to_no_more_than_the_bound(target: Target) -> None:
    """64 entries that unpack to 2 GiB, as they declare."""
    packed = zlib.compress(bytes(32 * 1024**2), 9)[2:-4]
    buffer = io.BytesIO(good_zip())
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for number in range(64):
            archive.writestr(f"images/{number}.bin", packed)
    data = bytearray(buffer.getvalue())
    crc = zlib.crc32(bytes(32 * 1024**2))
    at = data.index(b"PK\x01\x02")
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        if b".bin" in data[at + 46 : at + 62]:
            struct.pack_into("<H", data, at + 10, 8)
            struct.pack_into("<L", data, at + 16, crc)
            struct.pack_into("<L", data, at + 24, 32 * 1024**2)
            [local] = struct.unpack_from("<L", data, at + 42)
            struct.pack_into("<H", data, local + 8, 8)
        at += 4
    judge(target, upload(bytes(data)), Refused(413, "file", "unpacks to more than 256 MiB"))
