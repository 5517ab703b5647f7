"""Uploads of pictures that are random noise: nothing of them packs, and all of it is decoded."""

import io
import os
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from bench.measure import cpu_seconds
from bench.upload import write_rows
from gateway.settings import GatewaySettings
from gateway.uploads.archive import Archive
from gateway.uploads.bad_rows import BadRows
from gateway.uploads.checking import Check
from gateway.uploads.dataset import CountedRow, write_dataset
from gateway.uploads.reading import Reading
from gateway.uploads.table import read_table
from tally.annotations.questions import QuestionLanguage

_SIDE_PIXELS = 504
_TIMEOUT_SECONDS = 3_600.0
_BOUNDARY = "a-file-of-noise-ends-here"


def write_uploads(folder: Path, number: int, size_bytes: int) -> list[Path]:
    """ZIPs of the same pictures, each with questions of its own: no two are one dataset."""
    pictures = _draw(size_bytes)
    return [
        write_rows(
            folder / f"noise-{one}.zip",
            ((picture, f"How many dots of kind {one}?", 3) for picture in pictures),
        )
        for one in range(number)
    ]


def _draw(size_bytes: int) -> list[bytes]:
    """Different PNGs of `size_bytes` together, or a little more."""
    pictures: list[bytes] = []
    left = size_bytes
    while left > 0:
        noise = os.urandom(3 * _SIDE_PIXELS**2)
        buffer = io.BytesIO()
        image = Image.frombytes("RGB", (_SIDE_PIXELS, _SIDE_PIXELS), noise)
        image.save(buffer, "PNG", compress_level=1)
        pictures.append(buffer.getvalue())
        left -= len(pictures[-1])
    return pictures


def upload(url: str, path: Path) -> int:
    """Sends it from the disk; returns the status, 0 where the connection failed.

    The kernel copies the file to the socket: a sender on another machine would take nothing here.
    """
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_SECONDS)
    try:
        return _send(connection, path)
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def _send(connection: HTTPConnection, path: Path) -> int:
    disposition = f'form-data; name="file"; filename="{path.name}"'
    head = f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
    connection.putrequest("POST", "/upload-data")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + path.stat().st_size + len(tail)))
    connection.endheaders(head)
    with path.open("rb") as file:
        connection.sock.sendfile(file)
    connection.send(tail)
    return connection.getresponse().status


def judging_cpu_seconds(path: Path, staged: Path) -> float:
    """What reading an upload's table and pictures takes, in this process; `staged` is written."""
    return cpu_seconds(lambda: list(_judge(path, staged, GatewaySettings())), repeats=1)


def _judge(path: Path, staged: Path, settings: GatewaySettings) -> Check[None]:
    archive = Archive(path, settings)
    bad = BadRows(skip=False)
    reading = Reading(None, QuestionLanguage.ENGLISH, zero_counts=False)
    table = yield from read_table(archive, reading, settings, bad)
    counted = [CountedRow(row, 1) for row in table.rows]
    yield from write_dataset(archive, counted, staged, settings, bad)
