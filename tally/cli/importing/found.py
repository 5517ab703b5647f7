"""What data is there, by the files that there are."""

from collections.abc import Iterator
from pathlib import Path

from tally.annotations.questions import QuestionLanguage
from tally.annotations.yolo import find_class_names
from tally.cli.errors import CliError
from tally.cli.importing.annotations import read_coco, read_yolo
from tally.cli.importing.asked import Asked
from tally.cli.importing.files import Files, Folder, open_files
from tally.cli.importing.json_lines import NAMES, read_json_lines
from tally.cli.importing.parquet import read_parquet

_DATA_FILES = (".json", ".jsonl", ".parquet")


def read_data(path: Path, language: QuestionLanguage, *, zero_counts: bool) -> Iterator[Asked]:
    """The questions of a folder, a ZIP, or a file that names pictures beside it; raises CliError.

    `language` and `zero_counts` are about annotations: how they are made questions.
    """
    if path.is_file() and path.suffix.lower() in _DATA_FILES:
        folder = path.parent.resolve()
        if folder.name.lower() == "annotations":
            folder = folder.parent
        name = (path.parent.resolve() / path.name).relative_to(folder).as_posix()
        return _read(Folder(folder), [name], language, zero_counts=zero_counts)
    files = open_files(path)
    return _read(files, sorted(files.names), language, zero_counts=zero_counts)


def _read(
    files: Files, names: list[str], language: QuestionLanguage, *, zero_counts: bool
) -> Iterator[Asked]:
    if tables := [name for name in names if _base(name) == "main.csv"]:
        raise CliError(f"There is {tables[0]} already: pack it with images/ and upload the ZIP.")
    if tables := [name for name in names if name.endswith(".jsonl")]:
        known = [name for name in tables if _base(name) in NAMES]
        return read_json_lines(files, _only(known or tables))
    if tables := [name for name in names if name.lower().endswith(".parquet")]:
        return read_parquet(files, tables)
    if classes := find_class_names(names):
        return read_yolo(files, classes, language, zero_counts=zero_counts)
    if tables := [name for name in names if name.lower().endswith(".json")]:
        return read_coco(files, _only(tables), language, zero_counts=zero_counts)
    raise CliError(
        "There is no data that is known: JSON Lines (main.jsonl), Parquet, a COCO file (.json), or "
        "YOLO labels with data.yaml or classes.txt."
    )


def _only(names: list[str]) -> str:
    if len(names) > 1:
        raise CliError(f"There are {', '.join(names[:3])}; name the one that is meant.")
    return names[0]


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()
