"""Sheets of a real photograph, of one to six people, annotated as COCO and as YOLO have it, or
in Parquet with what is asked."""

import io
import json
from functools import cache

import pyarrow as pa
from matplotlib.cbook import get_sample_data
from PIL import Image, ImageOps
from pyarrow import parquet

_TILE, _ROWS = (64, 75), 2
_PLACES = [(x, y) for y in range(_ROWS) for x in range(3)]


@cache
def _portrait() -> Image.Image:
    """The one photograph that comes with Matplotlib: Grace Hopper."""
    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return image.convert("RGB").resize(_TILE)


def count_of(number: int) -> int:
    """How many people the sheet of this number shows."""
    return 1 + number % len(_PLACES)


def boxes_of(number: int) -> list[tuple[int, int, int, int]]:
    """Where they are: left, top, width, height in pixels."""
    places = _PLACES[: count_of(number)]
    return [(x * _TILE[0], y * _TILE[1], *_TILE) for x, y in places]


def sheet_size() -> tuple[int, int]:
    return 3 * _TILE[0], _ROWS * _TILE[1]


def sheet(number: int) -> bytes:
    """A JPEG; each number has a ground of its own."""
    image = Image.new("RGB", sheet_size(), (40 + number * 15 % 200, 90, 200 - number * 15 % 190))
    for index, (left, top, *_) in enumerate(boxes_of(number)):
        portrait = _portrait()
        image.paste(ImageOps.mirror(portrait) if index % 2 else portrait, (left, top))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def coco_files(sheets: int) -> dict[str, bytes]:
    """`annotations/people.json` and `images/…`, as export programs lay them out."""
    images = [{"id": n, "file_name": f"sheet{n}.jpg"} for n in range(sheets)]
    annotations = [
        {"id": 100 * n + index, "image_id": n, "category_id": 1, "bbox": box, "iscrowd": 0}
        for n in range(sheets)
        for index, box in enumerate(boxes_of(n))
    ]
    categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    pictures = {f"images/sheet{n}.jpg": sheet(n) for n in range(sheets)}
    return {"annotations/people.json": json.dumps(coco).encode(), **pictures}


def yolo_files(sheets: int) -> dict[str, bytes]:
    """`data.yaml`, `images/train/…` and `labels/train/…`."""
    files = {"data.yaml": b"names:\n  0: person\n  1: dog\n"}
    for n in range(sheets):
        files[f"images/train/sheet{n}.jpg"] = sheet(n)
        files[f"labels/train/sheet{n}.txt"] = "".join(map(_label, boxes_of(n))).encode()
    return files


def _label(box: tuple[int, int, int, int]) -> str:
    left, top, width, height = box
    across, down = sheet_size()
    middle = (left + width / 2) / across, (top + height / 2) / down
    return f"0 {middle[0]:.4f} {middle[1]:.4f} {width / across:.4f} {height / down:.4f}\n"


def parquet_files(sheets: int) -> dict[str, bytes]:
    """As a Hugging Face data set lies in its folder."""
    numbers = range(sheets)
    columns = {
        "image": [{"bytes": sheet(number), "path": f"sheet{number}.jpg"} for number in numbers],
        "question": ["How many people are there?"] * sheets,
        "answer": [count_of(number) for number in numbers],
    }
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns), buffer, row_group_size=4)
    return {"data/train-00000-of-00001.parquet": buffer.getvalue()}
