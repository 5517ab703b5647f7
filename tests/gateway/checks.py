"""Checks of uploads, run to their end at once."""

from typing import TypeVar

from gateway.settings import GatewaySettings
from gateway.uploads.bad_rows import BadRows
from gateway.uploads.checking import Check
from gateway.uploads.csv_table import read_csv
from gateway.uploads.rows import Row

T = TypeVar("T")


def finish(check: Check[T]) -> T:
    """What the check returns; raises what it raises."""
    while True:
        try:
            next(check)
        except StopIteration as end:
            return end.value


def rows_of(text: str, **limits: int) -> list[Row]:
    bad = BadRows(skip=False)
    return finish(read_csv(text, "main.csv", GatewaySettings(**limits), bad)).rows
