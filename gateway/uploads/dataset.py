"""The canonical dataset that the learner reads: equal uploads give equal bytes."""

import json
import zipfile
from pathlib import Path
from typing import NamedTuple

from gateway.errors import Problem, refuse
from gateway.images.reading import CleanImage, clean_image
from gateway.images.stripped import BadImage
from gateway.messages.message import Message
from gateway.settings import GatewaySettings
from gateway.uploads.archive import Archive
from gateway.uploads.checking import Check
from gateway.uploads.csv_table import Row, to_warnings
from gateway.uploads.entries import CSV_NAME, IMAGES_FOLDER
from tally.rpc.digests import digest_of

ROWS_ENTRY = "tally.samples.jsonl"
_FIRST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class Dataset(NamedTuple):
    valid_images: int
    warnings: list[Message]


def write_dataset(
    archive: Archive,
    rows: list[Row],
    counts: list[int],
    staged: Path,
    settings: GatewaySettings,
) -> Check[Dataset]:
    """Writes the rows and the images to `staged`, every image decoded once on the way.

    Raises Unprocessable or TooLarge.
    """
    sources = _sources(archive, rows)
    problems: list[Problem] = []
    stored: dict[str, str] = {}
    with zipfile.ZipFile(staged, "w", zipfile.ZIP_STORED) as target:
        for source in sorted(sources):
            data = archive.read(source, settings.max_image_bytes)
            try:
                stored[source] = _store_image(target, clean_image(data, settings))
            except BadImage as problem:
                problems.append(Problem(source, problem.message))
            yield
        refuse(problems)
        target.writestr(_zip_info(ROWS_ENTRY), _row_lines(rows, counts, stored))
    yield from archive.verify_rest({*sources, CSV_NAME})
    return Dataset(len(sources), _unused_warnings(archive, sources))


def write_rows(rows: list[Row], path: Path) -> None:
    """What the dataset leaves out of each row, for those who look at the upload again."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            line = {"row": row.number, "image": row.image, "answer": row.answer}
            file.write(json.dumps(line) + "\n")


def _sources(archive: Archive, rows: list[Row]) -> set[str]:
    """Names of the images that rows name; raises Unprocessable where the ZIP lacks one."""
    problems = [
        Problem(f"row {row.number}", Message("image_missing", image=row.image))
        for row in rows
        if row.image not in archive.entries
    ]
    refuse(problems)
    return {row.image for row in rows}


def _store_image(target: zipfile.ZipFile, image: CleanImage) -> str:
    """Equal images share one entry, named by content so that no uploaded name travels on."""
    name = f"{IMAGES_FOLDER}{digest_of(image.data)}.{image.suffix}"
    if name not in target.NameToInfo:
        target.writestr(_zip_info(name), image.data)
    return name


def _row_lines(rows: list[Row], counts: list[int], stored: dict[str, str]) -> str:
    lines = (
        {
            "row": row.number,
            "image": stored[row.image],
            "question": row.question,
            "true_count": count,
        }
        for row, count in zip(rows, counts, strict=True)
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _zip_info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _FIRST_ZIP_TIME)
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info


def _unused_warnings(archive: Archive, sources: set[str]) -> list[Message]:
    unused = sorted(set(archive.entries) - sources - {CSV_NAME})
    return to_warnings([Problem(name, Message("image_unused")) for name in unused])
