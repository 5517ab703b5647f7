import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from learner_service.blobs.blob_store import BlobStore
from learner_service.data.dataset import Row, stage_dataset
from learner_service.data.images import decode, fit_to_grid
from learner_service.dataset_settings import DatasetSettings
from learner_service.errors import InvalidDataset
from tally.families.grid import PatchGrid

LIMITS = DatasetSettings()
GRID = PatchGrid(patch_pixels=14, merge_size=2, min_pixels=56 * 56, max_pixels=1024 * 1024)


def encoded(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=image_format, **options)
    return buffer.getvalue()


def write_zip(path: Path, entries: dict[str, bytes], lines: list[dict[str, object]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
        archive.writestr("tally.samples.jsonl", "\n".join(map(json.dumps, lines)))
    return path


def line(image: str, **changed: object) -> dict[str, object]:
    return {"row": 2, "image": image, "question": "How many?", "true_count": 3} | changed


def stage(tmp_path: Path, entries: dict[str, bytes], lines: list[dict[str, object]]) -> list[Row]:
    store = BlobStore(tmp_path / "blobs")
    return stage_dataset(
        write_zip(tmp_path / "d.zip", entries, lines), store, GRID, 512, limits=LIMITS
    )


def test_a_shared_image_becomes_one_blob_on_the_grid(tmp_path: Path):
    photo = encoded(Image.new("RGB", (900, 610), "red"), "JPEG")
    rows = stage(tmp_path, {"a.jpg": photo}, [line("a.jpg"), line("a.jpg", row=3, true_count=4)])
    assert rows[0].image_digest == rows[1].image_digest
    assert (rows[0].width, rows[0].height) == (504, 336)
    staged = BlobStore(tmp_path / "blobs").path(rows[0].image_digest)
    with Image.open(staged) as image:
        assert image.size == (504, 336)


def test_the_models_own_processor_leaves_a_staged_image_as_it_is():
    from tally.samples.small_policy import build_image_processor

    random = np.random.default_rng(1)
    for width, height in [(112, 112), (900, 610), (57, 333), (1000, 30), (31, 31), (2000, 2000)]:
        image = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        fitted = fit_to_grid(image, GRID, 512)
        grid = build_image_processor()(images=[fitted], return_tensors="np")["image_grid_thw"][0]
        assert tuple(grid) == (1, fitted.height // 14, fitted.width // 14)
        assert max(fitted.size) <= 512 + 27


def test_an_image_on_the_grid_is_not_touched():
    image = Image.new("RGB", (112, 84))
    assert fit_to_grid(image, GRID, 512) is image


def test_exif_orientation_is_applied_once():
    image = Image.new("RGB", (40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(image, "JPEG", exif=exif), "a.jpg", LIMITS).size == (20, 40)


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "RGBA", "LA", "I;16"])
def test_every_mode_becomes_rgb_in_the_right_range(mode: str):
    if mode == "I;16":
        image = Image.fromarray(np.full((30, 30), 65535, dtype=np.uint16))
    else:
        image = Image.new("RGB", (30, 30), "white").convert(mode)
    decoded = decode(encoded(image, "TIFF"), "a.tif", LIMITS)
    assert decoded.mode == "RGB"
    assert decoded.getpixel((5, 5)) == (255, 255, 255)


def test_a_transparent_ground_becomes_white():
    image = Image.new("RGBA", (30, 30), (0, 0, 0, 0))
    assert decode(encoded(image), "a.png", LIMITS).getpixel((5, 5)) == (255, 255, 255)


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (30, 30), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data, "a.gif", LIMITS).getpixel((5, 5)) == (255, 0, 0)


@pytest.mark.parametrize("data", [b"", b"<svg/>", encoded(Image.new("RGB", (90, 90)))[:-40]])
def test_what_cannot_be_decoded_is_named(data: bytes):
    with pytest.raises(InvalidDataset, match=r"broken\.png"):
        decode(data, "broken.png", LIMITS)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no row"),
        ([line("missing.png")], "missing.png"),
        ([line("a.png", true_count=-1)], "line 1"),
        ([line("a.png", true_count="3")], "line 1"),
        ([line("a.png", question="")], "line 1"),
        ([line("a.png"), {"row": 3}], "line 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, lines: list[dict[str, object]], message: str):
    with pytest.raises(InvalidDataset, match=message):
        stage(tmp_path, {"a.png": encoded(Image.new("RGB", (56, 56)))}, lines)


def test_not_a_zip(tmp_path: Path):
    (tmp_path / "d.zip").write_bytes(b"no")
    with pytest.raises(InvalidDataset, match="ZIP"):
        stage_dataset(tmp_path / "d.zip", BlobStore(tmp_path / "blobs"), GRID, 512, limits=LIMITS)
