"""Scenes as a user uploads them."""

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from bench.scenes import Example
from learner_service.data.images import to_png
from tally.samples.dataset import COLUMNS


def write_upload(path: Path, examples: Sequence[Example]) -> Path:
    """A ZIP of pictures and main.csv; returns `path`."""
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(COLUMNS)
    with zipfile.ZipFile(path, "w") as archive:
        for number, example in enumerate(examples):
            archive.writestr(f"images/{number}.png", to_png(example.image))
            rows.writerow((f"{number}.png", example.question, example.true_count))
        archive.writestr("main.csv", table.getvalue())
    return path
