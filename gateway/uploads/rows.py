"""The rows of a table, judged one by one, wherever they are written."""

import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from gateway.errors import MAX_PROBLEMS, Problem, TooLarge, Unprocessable
from gateway.settings import GatewaySettings
from gateway.uploads.bad_rows import BadRows
from gateway.uploads.checking import Check
from gateway.uploads.entries import MOST_NAME_CHARACTERS
from gateway.uploads.header import COLUMNS
from tally.messages.message import Message

_ROWS_AT_A_TIME = 1_000


class Row(NamedTuple):
    """A data row, its cells stripped of surrounding blanks.

    `image` is the cell of the row, with slashes and composed (NFC); once it was found in the ZIP,
    the name of an entry. `true_count` is known of a row that annotations were made into.
    """

    number: int
    image: str
    question: str
    answer: str
    true_count: int | None = None


class Table(NamedTuple):
    """The rows that are left, how many there were, and what was understood of odd ones."""

    rows: list[Row]
    row_count: int
    warnings: list[Message]


def gather_rows(
    found: Iterator[tuple[int, Row | Message]], name: str, settings: GatewaySettings, bad: BadRows
) -> Check[Table]:
    """The good rows of the table `name`, in order; the others are added to `bad`.

    Raises Unprocessable where there is none, or bad ones may not be left out; TooLarge.
    """
    rows: list[Row] = []
    answer_characters = 0
    for done, (number, row) in enumerate(found):
        if done % _ROWS_AT_A_TIME == 0:
            yield
        if done >= settings.max_rows:
            raise TooLarge.at(name, Message("too_many_rows", most=settings.max_rows))
        problem = row if isinstance(row, Message) else _cell_problem(row, settings)
        if problem:
            bad.add(number, problem)
        elif isinstance(row, Row):
            answer_characters += len(row.answer)
            rows.append(row._replace(image=_normal_name(row.image)))
        if answer_characters > settings.max_answer_characters:
            most = settings.max_answer_characters
            raise TooLarge.at(name, Message("too_many_answer_characters", most=most))
        if bad.are_too_many:
            break
    bad.settle(rows_left=len(rows))
    if not rows:
        raise Unprocessable.at(name, Message("table_without_rows"))
    return Table(rows, len(rows) + len(bad), [])


def _cell_problem(row: Row, settings: GatewaySettings) -> Message | None:
    for column, cell in zip(COLUMNS, row[1:4], strict=True):
        if not cell:
            return Message("cell_empty", column=column)
        if len(cell) > settings.max_cell_characters:
            return Message("cell_too_long", column=column, most=settings.max_cell_characters)
    return _image_cell_problem(row.image)


def _image_cell_problem(image: str) -> Message | None:
    if len(image) > MOST_NAME_CHARACTERS:
        return Message("cell_too_long", column="images_path", most=MOST_NAME_CHARACTERS)
    parts = image.replace("\\", "/").split("/")
    if "://" in image or image.lower().startswith(("file:", "http:", "https:", "data:")):
        return Message("image_is_address")
    if ".." in parts or parts[0] == "" or image[1:2] == ":":
        return Message("image_leads_out")
    if not image.isprintable():
        return Message("image_unprintable")
    return None


def _normal_name(image: str) -> str:
    return unicodedata.normalize("NFC", image.replace("\\", "/").removeprefix("./"))


def to_warnings(problems: list[Problem]) -> list[Message]:
    """The first of them with their places, and how many more there are."""
    warnings = [problem.in_its_place() for problem in problems[:MAX_PROBLEMS]]
    more = len(problems) - len(warnings)
    return [*warnings, Message("more_of_this_kind", more=more)] if more else warnings
