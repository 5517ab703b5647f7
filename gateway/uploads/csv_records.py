"""Text of main.csv to records of cells, in bounded work whatever it says."""

import csv
import io
import itertools
from collections.abc import Iterator
from typing import Self

from gateway.errors import TooLarge, Unprocessable
from gateway.settings import GatewaySettings
from tally.messages.message import Message

_MOST_FIELD_CHARACTERS = 1_000_000
# A quoted cell may hold line breaks and separators; this many of them for each row and each column.
_MOST_LINES_PER_ROW = 10
_MOST_COMMAS_PER_COLUMN = 100


def read_records(
    text: str, separator: str, settings: GatewaySettings
) -> Iterator[tuple[int, list[str]]]:
    """Records with their numbers, from 1; blank ones count and are left out.

    Raises Unprocessable or TooLarge that names the row. No more is parsed than the bounds allow.
    """
    csv.field_size_limit(_MOST_FIELD_CHARACTERS)
    lines = _Lines(text, separator, settings)
    reader = csv.reader(lines, strict=True, delimiter=separator)
    for number in itertools.count(1):
        lines.begin_record(number)
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _fault(number, str(error)) from None
        if cells is None:
            return
        _check_bounds(number, cells, settings)
        joined = "".join(cells)
        if "\0" in joined:
            raise Unprocessable.at(f"row {number}", Message("row_nul_byte"))
        if joined.strip():
            yield number, cells


class _Lines:
    """Lines for the parser; those that would make too large a record are not handed on."""

    def __init__(self, text: str, separator: str, settings: GatewaySettings) -> None:
        self._separator = separator
        self._lines = io.StringIO(text, newline="")
        self._lines_left = self._most_lines = _MOST_LINES_PER_ROW * (settings.max_rows + 1)
        self._most_commas = _MOST_COMMAS_PER_COLUMN * settings.max_columns
        self._record = self._commas = 0

    def begin_record(self, number: int) -> None:
        self._record, self._commas = number, 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._lines_left -= 1
        if self._lines_left < 0:
            raise TooLarge.at("main.csv", Message("too_many_lines", most=self._most_lines))
        self._commas += line.count(self._separator)
        if self._commas > self._most_commas:
            message = Message("too_many_commas", most=self._most_commas)
            raise TooLarge.at(f"row {self._record}", message)
        return line


def _check_bounds(number: int, cells: list[str], settings: GatewaySettings) -> None:
    if number > settings.max_rows + 1:
        raise TooLarge.at("main.csv", Message("too_many_rows", most=settings.max_rows))
    if len(cells) > settings.max_columns:
        message = Message("too_many_cells", cells=len(cells), most=settings.max_columns)
        raise TooLarge.at(f"row {number}", message)


def _fault(number: int, reason: str) -> Unprocessable | TooLarge:
    if "field limit" in reason:
        return TooLarge.at(f"row {number}", Message("cell_endless", most=_MOST_FIELD_CHARACTERS))
    return Unprocessable.at(f"row {number}", Message("quote_open"))
