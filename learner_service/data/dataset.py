"""A dataset blob to its rows; every image becomes a blob of its own, ready for every replica."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from learner_service.blobs.blob_store import BlobStore
from learner_service.data.dataset_archive import Line, open_dataset
from learner_service.data.images import decode, fit_to_grid, to_png
from learner_service.dataset_settings import DatasetSettings
from learner_service.errors import InvalidDataset
from tally.families.grid import ImageGrid
from tally.text.sinks import to_status


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


def stage_dataset(
    path: Path,
    store: BlobStore,
    grid: ImageGrid,
    max_side_pixels: int,
    *,
    limits: DatasetSettings,
    only_numbers: Collection[int] | None = None,
) -> list[Row]:
    """Reads the ZIP, puts every image into the store once, resized, and returns the rows.

    With `only_numbers`, these rows alone.

    Raises InvalidDataset that names the line or the entry that is wrong.
    """
    staged: dict[str, tuple[str, int, int]] = {}
    rows = []
    with open_dataset(path, limits) as archive:
        for line in archive.lines():
            if only_numbers is not None and line.row not in only_numbers:
                continue
            if line.image not in staged:
                image = decode(archive.image(line.image), line.image, limits)
                fitted = _fit(image, line.image, grid, max_side_pixels)
                staged[line.image] = store.put_bytes(to_png(fitted)), fitted.width, fitted.height
            rows.append(_row(line, *staged[line.image]))
    return rows


def read_rows(path: Path, limits: DatasetSettings) -> list[Row]:
    """The rows without their images: `image_digest` is the entry's name, and no size is known.

    Raises InvalidDataset that names the line that is wrong.
    """
    with open_dataset(path, limits) as archive:
        return [_row(line, line.image, 0, 0) for line in archive.lines()]


def _fit(image: Image.Image, name: str, grid: ImageGrid, max_side_pixels: int) -> Image.Image:
    try:
        return fit_to_grid(image, grid, max_side_pixels)
    except ValueError as error:
        raise InvalidDataset(f"{to_status(name)}: {error}") from error


def _row(line: Line, digest: str, width: int, height: int) -> Row:
    return Row(
        number=line.row,
        question=line.question,
        true_count=line.true_count,
        image_digest=digest,
        width=width,
        height=height,
    )
