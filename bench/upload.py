"""What a user uploads: a ZIP of pictures and main.csv."""

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.scenes import Example
from learner_service.data.images import to_png
from tally.samples.dataset import COLUMNS


def write_upload(path: Path, examples: Sequence[Example]) -> Path:
    """Of scenes; returns `path`."""
    return write_rows(path, ((to_png(one.image), one.question, one.true_count) for one in examples))


def write_rows(path: Path, rows: Iterable[tuple[bytes, str, int]]) -> Path:
    """Of PNGs, each with its question and true count; returns `path`."""
    table = io.StringIO()
    lines = csv.writer(table)
    lines.writerow(COLUMNS)
    with zipfile.ZipFile(path, "w") as archive:
        for number, (picture, question, true_count) in enumerate(rows):
            archive.writestr(f"images/{number}.png", picture)
            lines.writerow((f"{number}.png", question, true_count))
        archive.writestr("main.csv", table.getvalue())
    return path
