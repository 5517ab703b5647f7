"""A ZIP of pictures → the dataset that the learner answers, and what each of its rows shows."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.errors import Problem, Unprocessable, refuse
from gateway.images.reading import clean_image
from gateway.images.stripped import BadImage
from gateway.settings import GatewaySettings
from gateway.uploads.archive import Archive
from gateway.uploads.checking import Check
from gateway.uploads.dataset import store_image, write_samples
from tally.messages.message import Message

_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif",
)  # fmt: skip


class BatchPicture(NamedTuple):
    """An entry of the ZIP; `row` is None where it can't be read, and `fault` says why."""

    image: str
    row: int | None
    fault: str


def write_batch(
    source: Path, question: str, staged: Path, settings: GatewaySettings
) -> Check[list[BatchPicture]]:
    """Writes the dataset to `staged`: every picture of the ZIP, in whatever folder, in the order of
    their names. Raises Unprocessable or TooLarge; where no picture can be read, with their faults.
    """
    archive = Archive(source, settings)
    names = sorted(name for name in archive.entries if name.lower().endswith(_SUFFIXES))
    if not names:
        raise Unprocessable.at("file", Message("zip_without_pictures"))
    if len(names) > settings.max_rows:
        raise Unprocessable.at("file", Message("too_many_rows", most=settings.max_rows))
    pictures: list[BatchPicture] = []
    faults: list[Problem] = []
    samples = []
    with zipfile.ZipFile(staged, "w", zipfile.ZIP_STORED) as target:
        for number, name in enumerate(names):
            data = archive.read(name, settings.max_image_bytes)
            try:
                image = store_image(target, clean_image(data, settings))
            except BadImage as bad:
                faults.append(Problem(name, bad.message))
                pictures.append(BatchPicture(name, None, str(bad)))
            else:
                # Nobody has counted them; the learner passes it over.
                samples.append(
                    {"row": number, "image": image, "question": question, "true_count": 0}
                )
                pictures.append(BatchPicture(name, number, ""))
            yield
        if not samples:
            refuse(faults)
        write_samples(target, samples)
    yield from archive.verify_rest()
    return pictures


def write_pictures(pictures: Sequence[BatchPicture], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(picture) + "\n" for picture in pictures)


def read_pictures(path: Path) -> list[BatchPicture]:
    """Raises FileNotFoundError where the batch was deleted."""
    return [BatchPicture(*json.loads(line)) for line in path.read_text("utf-8").splitlines()]
