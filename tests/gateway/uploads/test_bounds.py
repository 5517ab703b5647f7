"""What an upload may cost: counted in lines, cells and bytes, never by the clock."""

import random
from unittest.mock import Mock

import pytest

from gateway.errors import TooLarge
from gateway.settings import GatewaySettings
from gateway.uploads import archive, csv_records
from gateway.uploads.archive import Archive
from tests.gateway.checks import finish, rows_of
from tests.gateway.packing import HEADER, patched_directory, with_entries

GOOD = "apple1.jpg,How many apples?,A photo of 3 apples\n"


@pytest.fixture
def lines_read(monkeypatch) -> Mock:
    """Counts the lines that the parser is given."""
    counted, read = Mock(), csv_records._Lines.__next__

    def count(lines: csv_records._Lines) -> str:
        counted()
        return read(lines)

    monkeypatch.setattr(csv_records._Lines, "__next__", count)
    return counted


TOO_LARGE = {
    "blank records": ("\n" * 10_000, "has more than 50 rows, blank ones among them"),
    "records of commas": (",,\n" * 10_000, "has more than 50 rows"),
    "rows": (GOOD * 10_000, "has more than 50 rows"),
    "a row of cells": ("," * 100_000, "holds more than 10,000 commas"),
    "a row of some cells": ("," * 1_000, "has 1,001 cells; at most 100 are taken"),
    "a row of cells on many lines": (('"\n"' + "," * 400) * 9_000, "holds more than 10,000 commas"),
    "a cell of lines": ('"' + "\n" * 100_000, "has more than 510 lines"),
    "a long cell": ("x" * 1_000_001, "a cell is longer than 1,000,000 characters"),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_table_is_read_no_further_than_its_bounds(name, lines_read):
    text, message = TOO_LARGE[name]
    with pytest.raises(TooLarge, match=message):
        rows_of(HEADER + text, max_rows=50)
    assert lines_read.call_count <= 512


def test_a_header_of_many_columns_is_too_large():
    with pytest.raises(TooLarge, match="row 1: has 103 cells"):
        rows_of("x," * 100 + HEADER)


def test_answers_are_bounded_together():
    with pytest.raises(TooLarge, match="answers of more than 100 characters together"):
        rows_of(HEADER + GOOD * 50, max_answer_characters=100)


def test_many_columns_and_quoted_commas_are_taken():
    commas = '"' + "," * 3_000 + '"'
    rows = rows_of(f"{'x,' * 97}{HEADER}{'y,' * 97}a.png,{commas},3\n")
    assert len(rows[0].question) == 3_000


def unpack(tmp_path, data: bytes, **limits) -> None:
    path = tmp_path / "upload.zip"
    path.write_bytes(data)
    finish(Archive(path, GatewaySettings(**limits)).verify_rest())


def test_a_zip_unpacks_to_so_many_times_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_FREELY_UNPACKED_BYTES", 100_000)
    inflate = Mock(wraps=archive._inflate)
    monkeypatch.setattr(archive, "_inflate", inflate)
    data = with_entries({f"images/{n}.bin": bytes(50_000) for n in range(9)})
    with pytest.raises(TooLarge, match="unpacks to more than 1"):
        unpack(tmp_path, data, max_unpacked_ratio=10)
    assert inflate.call_count == 0
    unpack(tmp_path, data, max_unpacked_ratio=1_000)


def test_real_bytes_count_whatever_is_declared(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_FREELY_UNPACKED_BYTES", 100_000)
    data = with_entries({"images/x.bin": bytes(5_000_000)})
    lying = patched_directory(data, "images/x.bin", 24, "<I", 10)
    with pytest.raises(TooLarge, match="unpacks to more than 1"):
        unpack(tmp_path, lying, max_unpacked_ratio=10)


def test_what_does_not_compress_is_taken_whatever_the_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_FREELY_UNPACKED_BYTES", 0)
    noise = random.Random(1).randbytes(100_000)
    unpack(tmp_path, with_entries({"images/x.bin": noise}), max_unpacked_ratio=2)
