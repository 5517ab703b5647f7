"""The documented ZIP, written from questions one after another."""

import csv
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tally.cli.errors import CliError
from tally.cli.files import in_its_place
from tally.cli.importing.asked import Asked
from tally.text.sinks import to_cell

_COLUMNS = ("images_path", "question", "answer")
_FIRST_TIME = (1980, 1, 1, 0, 0, 0)


class Written(NamedTuple):
    rows: int
    images: int


def write_zip(path: Path, asked: Iterable[Asked]) -> Written:
    """Equal questions give equal bytes. Raises CliError; then no file is left."""
    with in_its_place(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        return _write(archive, asked)


def _write(archive: zipfile.ZipFile, asked: Iterable[Asked]) -> Written:
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_COLUMNS)
    rows = 0
    for (image, question, answer), read in asked:
        name = f"images/{image}"
        if name not in archive.NameToInfo:
            archive.writestr(zipfile.ZipInfo(name, _FIRST_TIME), read())
        writer.writerow([image, to_cell(question), to_cell(answer)])
        rows += 1
    if not rows:
        raise CliError("There is nothing to ask about: no picture has anything that was counted.")
    text = table.getvalue().encode("utf-8", "replace")
    info = zipfile.ZipInfo("main.csv", _FIRST_TIME)
    archive.writestr(info, text, zipfile.ZIP_DEFLATED)
    return Written(rows, len(archive.NameToInfo) - 1)
