"""A dataset blob to its rows; every image becomes a blob of its own, ready for every replica."""

import json
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from learner_service.blobs.blob_store import BlobStore
from learner_service.data.images import decode, fit_to_grid, to_png
from learner_service.errors import InvalidDataset
from tally.families.grid import ImageGrid

ROWS_ENTRY = "tally.samples.jsonl"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One question about one image, as row `number` of the CSV of an upload has it.

    The size is that of the staged image, in pixels.
    """

    number: int
    question: str
    true_count: int
    image_digest: str
    width: int
    height: int


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    row: int
    image: str
    question: str = Field(min_length=1)
    true_count: int = Field(ge=0)


def stage_dataset(
    path: Path,
    store: BlobStore,
    grid: ImageGrid,
    max_side_pixels: int,
    only_numbers: Collection[int] | None = None,
) -> list[Row]:
    """Reads the ZIP, puts every image into the store once, resized, and returns the rows.

    With `only_numbers`, these rows alone.

    Raises InvalidDataset that names the line or the entry that is wrong.
    """
    staged: dict[str, tuple[str, int, int]] = {}
    rows = []
    try:
        with zipfile.ZipFile(path) as archive:
            for line in _lines(archive):
                if only_numbers is not None and line.row not in only_numbers:
                    continue
                if line.image not in staged:
                    image = decode(_entry(archive, line.image), line.image)
                    staged[line.image] = _stage(image, store, grid, max_side_pixels)
                digest, width, height = staged[line.image]
                rows.append(_row(line, digest, width, height))
    except zipfile.BadZipFile as error:
        raise InvalidDataset("the dataset is not a ZIP file") from error
    if not rows:
        raise InvalidDataset(f"{ROWS_ENTRY} holds no row")
    return rows


def read_rows(path: Path) -> list[Row]:
    """The rows without their images: `image_digest` is the entry's name, and no size is known.

    Raises InvalidDataset that names the line that is wrong.
    """
    with zipfile.ZipFile(path) as archive:
        rows = [_row(line, line.image, 0, 0) for line in _lines(archive)]
    if not rows:
        raise InvalidDataset(f"{ROWS_ENTRY} holds no row")
    return rows


def _lines(archive: zipfile.ZipFile) -> Iterator[_Line]:
    for number, text in enumerate(_entry(archive, ROWS_ENTRY).splitlines(), start=1):
        try:
            yield _Line.model_validate(json.loads(text))
        except (ValueError, ValidationError) as error:
            raise InvalidDataset(f"{ROWS_ENTRY}, line {number}: not a row") from error


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except (KeyError, zipfile.BadZipFile, OSError) as error:
        raise InvalidDataset(f"{name}: missing from the dataset, or damaged") from error


def _stage(
    image: Image.Image, store: BlobStore, grid: ImageGrid, max_side_pixels: int
) -> tuple[str, int, int]:
    fitted = fit_to_grid(image, grid, max_side_pixels)
    return store.put_bytes(to_png(fitted)), fitted.width, fitted.height


def _row(line: _Line, digest: str, width: int, height: int) -> Row:
    return Row(
        number=line.row,
        question=line.question,
        true_count=line.true_count,
        image_digest=digest,
        width=width,
        height=height,
    )
