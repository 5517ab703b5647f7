"""`tally predict` of a folder or a ZIP, `predictions`, `answers`."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "shelf"
    (folder / "left").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"a")
    (folder / "left" / "b.png").write_bytes(b"b")
    return folder


def test_a_folder_is_packed_and_its_table_saved(
    tally: Tally, gateway: FakeGateway, shelf: Path, tmp_path: Path
) -> None:
    table = tmp_path / "answers.csv"
    options = ("--job", "apples", "-o", table, "--abstain-below", 0.9)
    ended = tally("predict", shelf, "How many apples?", *options)
    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout == f"{table}: 12 bytes, prediction pred-1\n"
    assert table.read_text() == "image,None\n"
    [(name, data)] = gateway.uploads
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert (name, archive.namelist()) == ("shelf.zip", ["a.jpg", "left/b.png"])
    assert gateway.forms == [
        {"question": "How many apples?", "job_id": "job-1", "abstain_below": "0.9"}
    ]


def test_a_zip_is_sent_as_it_is(
    tally: Tally, gateway: FakeGateway, data_zip: Path, tmp_path: Path
) -> None:
    ended = tally("predict", data_zip, "How many?", "-o", tmp_path / "a.csv", "--json")
    assert json.loads(ended.stdout)["prediction_id"] == "pred-1"
    assert gateway.uploads == [("apples.zip", b"PK data")]
    assert tally("predict", data_zip, "How many?").exit_code == 1
    assert len(gateway.uploads) == 1


def test_a_table_is_saved_again_under_another_bound(tally: Tally, tmp_path: Path) -> None:
    table = tmp_path / "answers.csv"
    assert tally("answers", "shelf", "-o", table, "--abstain-below", 0.5).exit_code == 0
    assert table.read_text() == "image,0.5\n"


def test_predictions_are_listed_and_cancelled(tally: Tally, gateway: FakeGateway) -> None:
    lines = tally("predictions").stdout.splitlines()
    assert lines[1].split("\t")[:4] == ["pred-1", "shelf", "job-1", "completed"]
    tally("cancel", "shelf")
    assert gateway.cancelled == ["pred-1"]


def test_a_single_picture_has_no_table(tally: Tally, shelf: Path) -> None:
    ended = tally("predict", shelf / "a.jpg", "How many?", "-o", "a.csv")
    assert "--output and --abstain-below are for a folder or a ZIP" in ended.stderr
