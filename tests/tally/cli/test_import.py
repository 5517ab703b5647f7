"""`tally import`: data of other forms to the documented ZIP."""

import csv
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.gateway.packing import image_bytes
from tests.tally.cli.conftest import Tally

COCO = {
    "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
    "categories": [{"id": 1, "name": "coin"}, {"id": 2, "name": "key"}],
    "annotations": [{"image_id": 1, "category_id": 1}, {"image_id": 1, "category_id": 1}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With two pictures in images/."""
    for name, size in (("a.png", (20, 20)), ("b.png", (30, 20))):
        write(tmp_path / "data" / "images" / name, image_bytes("PNG", size))
    return tmp_path / "data"


def write(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def rows_of(path: Path) -> list[list[str]]:
    """The rows of a documented ZIP, whose pictures are all there."""
    with zipfile.ZipFile(path) as archive:
        [header, *rows] = csv.reader(io.StringIO(archive.read("main.csv").decode(), newline=""))
        assert header == ["images_path", "question", "answer"]
        assert set(archive.namelist()) == {"main.csv", *(f"images/{row[0]}" for row in rows)}
        assert archive.testzip() is None
    return rows


def test_coco(tally: Tally, folder: Path, tmp_path: Path):
    write(folder / "annotations" / "coins.json", json.dumps(COCO))
    for source in (folder, folder / "annotations" / "coins.json"):
        target = tmp_path / f"{source.name}.zip"
        ended = tally("import", source, "-o", target)
        assert ended.stdout == f"{target}: 1 rows, 1 images\n"
        [(image, question, answer)] = rows_of(target)
        assert (image, answer) == ("a.png", "A photo of 2 coins")
        assert "coins" in question


def test_zero_counts_in_chinese(tally: Tally, folder: Path, tmp_path: Path):
    write(folder / "coins.json", json.dumps(COCO))
    options = ("--zero-counts", "--question-language", "zh-TW", "--json")
    ended = tally("import", folder, "-o", tmp_path / "out.zip", *options)
    assert json.loads(ended.stdout) == {
        "path": str(tmp_path / "out.zip"), "rows": 4, "images": 2
    }  # fmt: skip
    answers = [row[2] for row in rows_of(tmp_path / "out.zip")]
    assert answers == ["圖中有 2 個coin", "圖中有 0 個key", "圖中有 0 個coin", "圖中有 0 個key"]


def test_yolo_in_a_zip(tally: Tally, folder: Path, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "yolo.zip", "w") as archive:
        for file in (folder / "images").iterdir():
            archive.write(file, f"set/images/{file.name}")
        archive.writestr("set/labels/a.txt", "0 .5 .5 .1 .1\n0 .2 .2 .1 .1\n1 .3 .3 .1 .1\n")
        archive.writestr("set/data.yaml", "names: [coin, key]\n")
        archive.writestr("__MACOSX/set/._data.yaml", "x")
    tally("import", tmp_path / "yolo.zip", "-o", tmp_path / "out.zip")
    rows = rows_of(tmp_path / "out.zip")
    assert [row[2] for row in rows] == ["A photo of 2 coins", "A photo of 1 key"]


def test_json_lines(tally: Tally, folder: Path, tmp_path: Path):
    lines = [
        {"file_name": "images/a.png", "question": "=1+1", "answer": 3},
        {"image": "b.png", "question": "How many?", "answer": "4 coins"},
    ]
    write(folder / "metadata.jsonl", "\n\n".join(map(json.dumps, lines)))
    tally("import", folder, "-o", tmp_path / "out.zip")
    assert rows_of(tmp_path / "out.zip") == [
        ["a.png", "'=1+1", "3"],
        ["b.png", "How many?", "4 coins"],
    ]


def test_parquet(tally: Tally, tmp_path: Path):
    """Equal pictures are one file."""
    pictures = [image_bytes("PNG"), image_bytes("JPEG"), image_bytes("PNG")]
    rows = {
        "image": [{"bytes": data, "path": None} for data in pictures],
        "problem": ["How many?", "Count.", "And keys?"],
        "solution": ["<answer> 3 </answer>", "4", "5"],
    }
    (tmp_path / "data").mkdir()
    parquet.write_table(pa.table(rows), tmp_path / "data" / "train-00000-of-00001.parquet")
    ended = tally("import", tmp_path / "data", "-o", tmp_path / "out.zip", "--json")
    assert (json.loads(ended.stdout)["rows"], json.loads(ended.stdout)["images"]) == (3, 2)
    assert [row[1:] for row in rows_of(tmp_path / "out.zip")] == [
        ["How many?", "<answer> 3 </answer>"], ["Count.", "4"], ["And keys?", "5"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"notes.txt": "x"}, "There is no data that is known"),
        ({"main.csv": "x"}, "There is main.csv already"),
        ({"a.json": "{}"}, "a.json is no COCO file of objects"),
        ({"a.json": "{}", "b.json": "{}"}, "There are a.json, b.json; name the one"),
        ({"a.json": json.dumps(COCO)}, "a.json: the picture a.png is not there"),
        ({"main.jsonl": "{}"}, "main.jsonl, line 1 is no object with image, question and answer"),
        ({"a.parquet": "x"}, "a.parquet is no whole Parquet file"),
        ({"data.yaml": "x: 1", "a.png": "x"}, "data.yaml holds no names of classes"),
        ({"classes.txt": "cat", "a.png": "x", "a.txt": "cat 1"}, "a.txt line 1 does not begin"),
        ({"classes.txt": "cat", "a.png": "x"}, "There is nothing to ask about"),
        ({"main.jsonl": '{"image": "../../x", "question": "q", "answer": 1}'}, "x is not there"),
    ],
)
def test_what_is_no_data_is_told(tally: Tally, tmp_path: Path, files: dict[str, str], message: str):
    for name, text in files.items():
        write(tmp_path / "data" / name, text)
    ended = tally("import", tmp_path / "data", "-o", tmp_path / "out.zip")
    assert ended.exit_code == 1
    assert message in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
