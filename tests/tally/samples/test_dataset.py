"""The sample data: documented format, balanced counts, equal bytes, disjoint parts."""

import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tally.samples import dataset, supervised
from tally.samples.dataset import LAST_SEED, write_dataset, write_sample_data
from tally.samples.hard_scenes import HARD_MAX_COUNT, HELD_OUT_KINDS
from tally.samples.kinds import KINDS
from tally.samples.scenes import IMAGE_SIZE_PIXELS


def _rows(path: Path) -> list[dict[str, str]]:
    with zipfile.ZipFile(path) as archive:
        return list(csv.DictReader(io.StringIO(archive.read("main.csv").decode())))


def _pixel_digests(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        images = [name for name in archive.namelist() if name.startswith("images/")]
        pixels = [Image.open(archive.open(name)).tobytes() for name in images]
    return {hashlib.sha256(content).hexdigest() for content in pixels}


@pytest.mark.parametrize(("jpeg", "image_format"), [(False, "PNG"), (True, "JPEG")])
def test_every_row_names_an_image_that_opens(tmp_path: Path, jpeg: bool, image_format: str) -> None:
    write_dataset(tmp_path / "data.zip", scenes=9, seed=3, jpeg=jpeg)
    rows = _rows(tmp_path / "data.zip")
    assert len(rows) == 9
    assert set(rows[0]) == {"images_path", "question", "answer"}
    with zipfile.ZipFile(tmp_path / "data.zip") as archive:
        for row in rows:
            image = Image.open(archive.open(f"images/{row['images_path']}"))
            assert (image.format, image.size) == (image_format, (IMAGE_SIZE_PIXELS,) * 2)


def test_counts_are_balanced(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data.zip", scenes=27, seed=3)
    counts = Counter(int(row["answer"].split()[3]) for row in _rows(tmp_path / "data.zip"))
    assert counts == dict.fromkeys(range(1, 10), 3)


def test_a_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_dataset(tmp_path / name, scenes=5, seed=seed)
    contents = {name: (tmp_path / name).read_bytes() for name in "abc"}
    assert contents["a"] == contents["b"] != contents["c"]


def test_a_later_first_index_goes_on_with_the_same_scenes(tmp_path: Path) -> None:
    write_dataset(tmp_path / "all", scenes=6, seed=3)
    write_dataset(tmp_path / "end", scenes=2, seed=3, first_index=4)
    assert _rows(tmp_path / "end") == _rows(tmp_path / "all")[4:]
    assert _pixel_digests(tmp_path / "end") < _pixel_digests(tmp_path / "all")


def test_training_and_held_out_share_no_image(tmp_path: Path) -> None:
    write_sample_data(tmp_path, training=45, held_out=36, seed=1)
    training = _pixel_digests(tmp_path / "training_data.zip")
    held_out = _pixel_digests(tmp_path / "held_out.zip")
    assert (len(training), len(held_out)) == (45, 36)
    assert not training & held_out


def test_seeds_stay_below_those_of_pretraining(tmp_path: Path) -> None:
    assert dataset.SCENE_SEEDS_END == supervised.EXAMINATION_SEED
    assert (LAST_SEED + 1) * dataset.SCENES_PER_SEED <= dataset.SCENE_SEEDS_END
    write_dataset(tmp_path / "last.zip", scenes=1, seed=LAST_SEED)
    with pytest.raises(ValueError, match="not in 0 to"):
        write_dataset(tmp_path / "beyond.zip", scenes=1, seed=LAST_SEED + 1)


def test_the_command_writes_both_parts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tally.samples", str(tmp_path), "--training", "4"]
    subprocess.run([*command, "--held-out", "3", "--seed", "2"], check=True)
    assert len(_rows(tmp_path / "training_data.zip")) == 4
    assert len(_rows(tmp_path / "held_out.zip")) == 3


def test_the_command_writes_hard_scenes_and_those_of_kinds_that_are_held_out(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "tally.samples", str(tmp_path), "--hard"]
    subprocess.run([*command, "--training", "45", "--held-out", "30"], check=True)
    parts = {path.stem: _rows(path) for path in tmp_path.iterdir()}
    assert {name: len(rows) for name, rows in parts.items()} == {
        "training_data": 45,
        "held_out": 30,
        "held_out_kinds": 30,
    }
    for rows in parts.values():
        counts = Counter(int(row["answer"].split()[3]) for row in rows)
        assert counts == dict.fromkeys(range(1, HARD_MAX_COUNT + 1), len(rows) // HARD_MAX_COUNT)
    asked = {name: " ".join(row["question"] for row in rows) for name, rows in parts.items()}
    for kind in KINDS:
        is_held_out = kind in HELD_OUT_KINDS
        assert (kind.plural in asked["held_out_kinds"]) == is_held_out
        assert (kind.plural in asked["training_data"]) != is_held_out
    digests = [_pixel_digests(path) for path in tmp_path.iterdir()]
    assert len(set.union(*digests)) == 105


def test_the_command_refuses_a_seed_out_of_range(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tally.samples", str(tmp_path), "--seed", "100000"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "is not in 0 to" in ended.stderr
