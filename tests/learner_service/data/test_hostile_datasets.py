"""Datasets of a stranger are refused by what is wrong with them."""

import io
import struct
from pathlib import Path

import pytest
from PIL import Image

from learner_service.blobs.blob_store import BlobStore
from learner_service.data.dataset import stage_dataset
from learner_service.data.dataset_archive import check_dataset
from learner_service.data.images import decode
from learner_service.dataset_settings import DatasetSettings
from learner_service.errors import InvalidDataset
from tests.learner_service.data.hostile_datasets import HOSTILE, HOSTILE_IMAGES, rows, write
from tests.learner_service.data.test_dataset import GRID, LIMITS, line


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_by_what_is_wrong(name: str, tmp_path: Path):
    make, said = HOSTILE[name]
    path = write(tmp_path, make)
    with pytest.raises(InvalidDataset) as caught:
        check_dataset(path, LIMITS)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("name", HOSTILE_IMAGES)
def test_its_images_are_refused_by_what_is_wrong(name: str, tmp_path: Path):
    make, said = HOSTILE_IMAGES[name]
    path = write(tmp_path, make)
    check_dataset(path, LIMITS)
    store = BlobStore(tmp_path / "blobs")
    with pytest.raises(InvalidDataset) as caught:
        stage_dataset(path, store, GRID, 512, limits=LIMITS)
    assert said in str(caught.value)
    assert not list((tmp_path / "blobs" / "staging").iterdir())


def test_the_limits_are_settings(tmp_path: Path):
    path = write(tmp_path, lambda: rows(line("a.png"), line("a.png", row=3)))
    check_dataset(path, DatasetSettings(max_rows=2, max_entries=2))
    for limits in ({"max_rows": 1}, {"max_entries": 1}, {"max_rows_bytes": 20}):
        with pytest.raises(InvalidDataset, match="at most"):
            check_dataset(path, DatasetSettings(**limits))


@pytest.mark.filterwarnings("ignore:Truncated File Read")
@pytest.mark.parametrize(
    ("kind", "value"),
    [(2, b"abc\0"), (5, b"\xff\xff\xff\xff"), (3, b"\x63\0\0\0"), (99, bytes(4))],
    ids=["text", "a fraction elsewhere", "out of range", "a type that there is not"],
)
def test_a_broken_orientation_leaves_the_picture_as_it_is(kind: int, value: bytes):
    tag = struct.pack("<HHHI4s", 1, 0x0112, kind, 1, value)
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + tag + bytes(4)
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20)).save(buffer, "JPEG", exif=exif)
    assert decode(buffer.getvalue(), "a.jpg", LIMITS).size == (40, 20)
