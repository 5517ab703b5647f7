"""Which entry of a ZIP says what is asked: main.csv, main.jsonl, or annotations of COCO or YOLO."""

from collections.abc import Collection
from enum import Enum
from typing import NamedTuple

from gateway.errors import Problem, Unprocessable, refuse
from gateway.uploads.entries import CSV_NAME, JSON_LINES_NAME
from tally.annotations.yolo import find_class_names, find_labels
from tally.messages.message import Message


class TableKind(Enum):
    CSV = "csv"
    JSON_LINES = "json lines"
    COCO = "coco"
    YOLO = "yolo"


class TableEntry(NamedTuple):
    """The entry that is read first, and how."""

    name: str
    kind: TableKind


_KINDS = {CSV_NAME: TableKind.CSV, JSON_LINES_NAME: TableKind.JSON_LINES}
_WORKBOOKS = (".xlsx", ".xls", ".ods", ".numbers")
# What main.csv is called where a system hides endings, or nobody has renamed it.
_NEAR = (".csv", ".csv.txt", ".tsv", ".jsonl", "main.txt")


def find_table(names: Collection[str]) -> TableEntry:
    """Raises Unprocessable where there is none, or more than one."""
    if not names:
        raise Unprocessable.at("file", Message("zip_empty"))
    tables = [name for name in names if _base(name) in _KINDS]
    if len(tables) > 1:
        refuse([Problem(name, Message("table_twice")) for name in tables])
    if tables and "/" not in tables[0]:
        return TableEntry(tables[0], _KINDS[_base(tables[0])])
    if tables:
        raise Unprocessable.at(CSV_NAME, Message("table_elsewhere", found=tables[0]))
    return _find_annotations(names) or _refuse(names)


def has_table(names: Collection[str]) -> bool:
    """Whether there is main.csv or main.jsonl, wherever it lies."""
    return any(_base(name) in _KINDS for name in names)


def _find_annotations(names: Collection[str]) -> TableEntry | None:
    files = sorted(name for name in names if name.lower().endswith(".json"))
    if len(files) > 1:
        refuse([Problem(name, Message("annotations_twice")) for name in files])
    if files:
        return TableEntry(files[0], TableKind.COCO)
    classes = find_class_names(names)
    labels = find_labels(names).values() if classes else ()
    return TableEntry(classes, TableKind.YOLO) if classes and any(labels) else None


def _refuse(names: Collection[str]) -> TableEntry:
    """Raises Unprocessable that names what may have been meant."""
    top = sorted(names, key=lambda name: (name.count("/"), name))
    if near := next((name for name in top if name.lower().endswith(_NEAR)), None):
        raise Unprocessable.at(CSV_NAME, Message("table_elsewhere", found=near))
    if workbook := next((name for name in top if name.lower().endswith(_WORKBOOKS)), None):
        raise Unprocessable.at(CSV_NAME, Message("table_is_workbook", found=workbook))
    raise Unprocessable.at(CSV_NAME, Message("table_missing"))


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()
