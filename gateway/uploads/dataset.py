"""The canonical dataset that the learner reads: equal uploads give equal bytes."""

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.errors import Problem
from gateway.images.reading import CleanImage, clean_image
from gateway.images.stripped import BadImage
from gateway.settings import GatewaySettings
from gateway.uploads.archive import Archive
from gateway.uploads.bad_rows import BadRows
from gateway.uploads.checking import Check
from gateway.uploads.entries import IMAGES_FOLDER
from gateway.uploads.rows import Row, to_warnings
from tally.messages.message import Message
from tally.rpc.digests import digest_of

ROWS_ENTRY = "tally.samples.jsonl"
_FIRST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class CountedRow(NamedTuple):
    """A row with the true count of its answer."""

    row: Row
    true_count: int


class Dataset(NamedTuple):
    """What was written: the rows, how many different images they name; and what looks wrong."""

    rows: list[Row]
    valid_images: int
    warnings: list[Message]


def write_dataset(
    archive: Archive,
    counted: list[CountedRow],
    staged: Path,
    settings: GatewaySettings,
    bad: BadRows,
) -> Check[Dataset]:
    """Writes the rows and the images to `staged`, every image decoded once on the way.

    Raises Unprocessable or TooLarge; rows of images that can't be read are added to `bad`.
    """
    sources = {row.image for row, _ in counted}
    stored: dict[str, str] = {}
    faults: dict[str, Message] = {}
    with zipfile.ZipFile(staged, "w", zipfile.ZIP_STORED) as target:
        for source in sorted(sources):
            data = archive.read(source, settings.max_image_bytes)
            try:
                stored[source] = store_image(target, clean_image(data, settings))
            except BadImage as problem:
                faults[source] = problem.message
            yield
        kept = [one for one in counted if one.row.image in stored]
        for row, _ in counted:
            if row.image in faults:
                bad.add(row.number, faults[row.image], row.image)
        bad.settle(rows_left=len(kept))
        write_samples(target, _samples(kept, stored))
    unused = [] if len(bad) else archive.unread()
    yield from archive.verify_rest()
    warnings = to_warnings([Problem(name, Message("image_unused")) for name in unused])
    return Dataset([row for row, _ in kept], len(stored), warnings)


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """What the dataset leaves out of each row, for those who look at the upload again."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            line = {"row": row.number, "image": row.image, "answer": row.answer}
            file.write(json.dumps(line) + "\n")


def store_image(target: zipfile.ZipFile, image: CleanImage) -> str:
    """Equal images share one entry, named by content so that no uploaded name travels on."""
    name = f"{IMAGES_FOLDER}{digest_of(image.data)}.{image.suffix}"
    if name not in target.NameToInfo:
        target.writestr(_zip_info(name), image.data)
    return name


def write_samples(target: zipfile.ZipFile, samples: Iterable[Mapping[str, object]]) -> None:
    """Each with a row, an image, a question and a true_count, as learner.proto says."""
    lines = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
    target.writestr(_zip_info(ROWS_ENTRY), lines)


def _samples(counted: list[CountedRow], stored: dict[str, str]) -> Iterator[dict[str, object]]:
    for row, count in counted:
        yield {
            "row": row.number,
            "image": stored[row.image],
            "question": row.question,
            "true_count": count,
        }


def _zip_info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _FIRST_ZIP_TIME)
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info
