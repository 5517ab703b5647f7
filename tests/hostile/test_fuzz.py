"""Arbitrary bytes and texts where strangers' come in: nothing but an answer or a refusal.

Bounded here; `make fuzz` looks for longer.
"""

import contextlib
import os
import struct
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import TooLarge, Unprocessable
from gateway.images.reading import clean_image, thumbnail
from gateway.images.stripped import BadImage
from gateway.settings import GatewaySettings
from gateway.uploads.adapter_archive import write_adapter
from gateway.uploads.archive import Archive
from gateway.uploads.bad_rows import BadRows
from gateway.uploads.reading import Reading
from gateway.uploads.table import read_table
from gateway.uploads.text_encoding import ENCODINGS, decode
from reward_service.parse import parse_count
from tally.annotations.questions import QuestionLanguage
from tests.fakes.learner import ADAPTER_CONFIG, safetensors_bytes
from tests.gateway.checks import finish, rows_of
from tests.gateway.images.photographs import photograph
from tests.gateway.packing import CSV, HEADER, as_zip64, good_zip, image_bytes, pack
from tests.hostile.oracle import Target, train

FUZZ = settings(
    max_examples=int(os.environ.get("TALLY_FUZZ_EXAMPLES", "10")) * 10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LIMITS = GatewaySettings(max_rows=100, max_unpacked_bytes=10_000_000, max_image_pixels=1_000_000)
READING = Reading(None, QuestionLanguage.ENGLISH, zero_counts=True)
REFUSALS = (TooLarge, Unprocessable)
PICTURES = [photograph(name, 6) for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")]
PICTURES += [image_bytes("JPEG", progressive=True), image_bytes("TIFF", compression="tiff_lzw")]
PART = b'Content-Disposition: form-data; name="encoding"\r\n\r\n'
ADAPTER = pack(
    {
        "adapter_config.json": str(ADAPTER_CONFIG).replace("'", '"').encode(),
        "adapter_model.safetensors": safetensors_bytes(),
    }
)


@st.composite
def changed(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of them with some bytes, numbers or runs of it replaced, doubled or left out."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.sampled_from([0, 1, 2, 4, 8, 100]))
        number = draw(st.sampled_from([0, 1, 255, 2**16 - 1, 2**31, 2**32 - 1, 2**64 - 1]))
        new = draw(
            st.one_of(
                st.binary(max_size=8),
                st.just(struct.pack("<Q", number)[:length]),
                st.just(struct.pack(">Q", number)[-length:]),
                st.just(bytes(data[at : at + length]) * 2),
            )
        )
        data[at : at + length] = new
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@FUZZ
@given(changed([good_zip(), as_zip64(good_zip()), pack({"a/main.csv": b"x", "a/b": b""})]))
def test_no_zip_breaks_its_reading(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "upload.zip"
    path.write_bytes(data)
    with contextlib.suppress(*REFUSALS):
        archive = Archive(path, LIMITS)
        finish(read_table(archive, READING, LIMITS, BadRows(skip=False)))
        finish(archive.verify_rest())


@FUZZ
@given(changed([ADAPTER]))
def test_no_adapter_breaks_its_reading(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "adapter.zip"
    path.write_bytes(data)
    with contextlib.suppress(*REFUSALS):
        finish(write_adapter(Archive(path, LIMITS), tmp_path / "blob", LIMITS))


tables = st.one_of(
    changed([CSV.encode(), CSV.encode("utf-16"), b"\xef\xbb\xbf" + CSV.encode(), HEADER.encode()]),
    st.text('a,"\n\r\0 =蘋\u0301', max_size=300).map(lambda text: (HEADER + text).encode()),
    st.binary(max_size=300),
)


@FUZZ
@given(tables, st.sampled_from([None, *ENCODINGS]))
def test_no_table_breaks_its_reading(data: bytes, encoding: str | None) -> None:
    try:
        rows = rows_of(decode(data, encoding).text, max_rows=100)
    except REFUSALS:
        return
    assert all(row.image and row.question and row.answer for row in rows)


@FUZZ
@given(changed(PICTURES))
def test_no_picture_breaks_its_reading(data: bytes) -> None:
    try:
        clean = clean_image(data, LIMITS)
    except BadImage:
        return
    assert clean_image(clean.data, LIMITS) == clean
    thumbnail(clean.data, 32)


@FUZZ
@given(
    st.one_of(st.text(max_size=300), st.text("0123456789 .,-+/半三十百apples\n<>", max_size=300))
)
def test_no_answer_breaks_its_reading(text: str) -> None:
    parsed = parse_count(text)
    assert parsed.count is None or 0 <= parsed.count < 2**63


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner),
    max_leaves=10,
)
NAMES = ["job_name", "data_file_id", "training_config", "lora_config", "rewards", "model", "fresh"]
bodies = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), values).map(
        lambda body: {"job_name": "a", "data_file_id": "b", **body}
    ),
    values,
)


@FUZZ
@given(bodies)
def test_no_json_breaks_its_reading(target: Target, body: object) -> None:
    try:
        answer = train(body)(target.client)
    except (ValueError, UnicodeEncodeError):
        return  # httpx itself writes no such JSON
    assert answer.status_code in (404, 422), answer.text
    assert answer.json()["errors"]


@FUZZ
@given(st.one_of(st.binary(max_size=200), changed([b'{"job_name": "a", "data_file_id": "b"}'])))
def test_no_bytes_break_the_reading_of_json(target: Target, data: bytes) -> None:
    answer = train(data)(target.client)
    assert answer.status_code in (404, 422), answer.text


@FUZZ
@given(changed([b"--b\r\n" + PART + b"big5\r\n--b--\r\n"]))
@pytest.mark.parametrize("path", ["/upload-data", "/evaluations", "/predict"])
def test_no_bytes_break_the_reading_of_forms(target: Target, path: str, data: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer: httpx.Response = target.client.post(path, content=data, headers=headers)
    assert answer.status_code in (413, 422), answer.text
