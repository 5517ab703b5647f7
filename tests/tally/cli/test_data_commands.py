"""Rows and pictures of an upload."""

import json
from pathlib import Path

import pytest

from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally


def test_upload_names_the_encoding(tally: Tally, gateway: FakeGateway, data_zip: Path) -> None:
    assert tally("upload", data_zip, "--encoding", "big5").exit_code == 0
    assert tally("upload", data_zip).exit_code == 0
    assert gateway.forms == [{"encoding": "big5"}, {}]


def test_upload_says_how_data_is_to_be_read(
    tally: Tally, gateway: FakeGateway, data_zip: Path
) -> None:
    options = ("--skip-bad-rows", "--question-language", "zh-TW", "--zero-counts")
    ended = tally("upload", data_zip, *options)
    assert gateway.forms == [
        {"on_bad_rows": "skip", "question_language": "zh-TW", "zero_counts": "include"}
    ]
    assert ended.stdout.splitlines()[-2:] == [
        "  1 rows were left out:",
        "  row 7: a.png is not in the ZIP",
    ]


def test_rows_say_how_to_go_on(tally: Tally) -> None:
    ended = tally("rows", "file-1", "--offset", "2", "--limit", "3")
    assert [line.split("\t")[0] for line in ended.stdout.splitlines()] == ["row", "4", "5", "6"]
    assert ended.stderr == "4 more rows; --offset 5 goes on.\n"
    assert tally("rows", "file-1").stderr == ""


def test_rows_as_json(tally: Tally) -> None:
    page = json.loads(tally("rows", "file-1", "--limit", "1", "--json").stdout)
    assert (page["csv_rows"], len(page["rows"])) == (9, 1)


def test_picture_is_saved(tally: Tally, tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.jpg"
    ended = tally("picture", "file-1", "2", "-o", path, "--max-side", "64", "--json")
    assert path.read_text() == "file-1 2 64"
    assert json.loads(ended.stdout) == {"path": str(path), "size_bytes": 11}


@pytest.mark.parametrize(("row", "message"), [("11", "there is no row 11"), ("2", "can't be wri")])
def test_picture_that_can_not_be_saved(
    tally: Tally, tmp_path: Path, row: str, message: str
) -> None:
    (tmp_path / "file").touch()
    ended = tally("picture", "file-1", row, "-o", tmp_path / "file" / "a.jpg")
    assert ended.exit_code == 1
    assert message in ended.stderr
