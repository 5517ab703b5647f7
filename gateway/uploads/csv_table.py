"""main.csv as rows. Rows are numbered as a spreadsheet shows them: the header is row 1."""

import unicodedata
from typing import NamedTuple

from gateway.errors import MAX_PROBLEMS, Problem, TooLarge, Unprocessable, refuse
from gateway.messages.message import Message
from gateway.settings import GatewaySettings
from gateway.uploads.checking import Check
from gateway.uploads.csv_records import read_records
from gateway.uploads.entries import IMAGES_FOLDER, MOST_NAME_CHARACTERS

COLUMNS = ("images_path", "question", "answer")
_MOST_LISTED = 1_000
_ROWS_AT_A_TIME = 1_000


class Row(NamedTuple):
    """A data row, its cells stripped of surrounding blanks; `image` names an entry of the ZIP."""

    number: int
    image: str
    question: str
    answer: str


def read_rows(text: str, settings: GatewaySettings) -> Check[list[Row]]:
    """The data rows, in order; raises Unprocessable that lists rows, or TooLarge."""
    records = read_records(text, settings)
    header = next(records, None)
    if header is None:
        raise Unprocessable.at("main.csv", Message("table_empty", columns=",".join(COLUMNS)))
    indexes = _column_indexes(header[1])
    rows: list[Row] = []
    problems: list[Problem] = []
    answer_characters = 0
    for done, (number, cells) in enumerate(records):
        if done % _ROWS_AT_A_TIME == 0:
            yield
        row = _row(number, cells, len(header[1]), indexes)
        problem = row if isinstance(row, Message) else _cell_problem(row, settings)
        if problem:
            problems.append(Problem(f"row {number}", problem))
        elif isinstance(row, Row):
            answer_characters += len(row.answer)
            rows.append(row._replace(image=_entry_name(row.image)))
        if answer_characters > settings.max_answer_characters:
            most = settings.max_answer_characters
            raise TooLarge.at("main.csv", Message("too_many_answer_characters", most=most))
        if len(problems) > _MOST_LISTED:
            break
    refuse(problems)
    if not rows:
        raise Unprocessable.at("main.csv", Message("table_without_rows"))
    return rows


def _column_indexes(header: list[str]) -> list[int]:
    names = [name.strip() for name in header]
    problems = []
    for column in COLUMNS:
        if column not in names:
            found = ", ".join(names)[:200]
            message = Message("column_missing", column=column, found=found)
            problems.append(Problem("row 1", message))
        elif names.count(column) > 1:
            problems.append(Problem("row 1", Message("column_twice", column=column)))
    refuse(problems)
    return [names.index(column) for column in COLUMNS]


def _row(number: int, cells: list[str], width: int, indexes: list[int]) -> Row | Message:
    if len(cells) != width:
        return Message("row_ragged", cells=len(cells), columns=width)
    image, question, answer = (cells[index].strip() for index in indexes)
    return Row(number, image, question, answer)


def _cell_problem(row: Row, settings: GatewaySettings) -> Message | None:
    for column, cell in zip(COLUMNS, row[1:], strict=True):
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


def _entry_name(image: str) -> str:
    """The entry that an images_path cell names, composed (NFC) as those of the archive are."""
    name = unicodedata.normalize("NFC", image.replace("\\", "/").removeprefix("./"))
    return name if name.startswith(IMAGES_FOLDER) else IMAGES_FOLDER + name


def duplicate_warnings(rows: list[Row], counts: list[int]) -> list[Message]:
    """Warnings for rows that repeat others; raises Unprocessable where their counts differ."""
    first: dict[tuple[str, str], tuple[int, int]] = {}
    problems, repeats = [], []
    for row, count in zip(rows, counts, strict=True):
        seen_number, seen_count = first.setdefault((row.image, row.question), (row.number, count))
        if seen_count != count:
            message = Message("rows_contradict", other=seen_number)
            problems.append(Problem(f"row {row.number}", message))
        elif seen_number != row.number:
            problem = Problem(f"row {row.number}", Message("row_repeats", other=seen_number))
            repeats.append(problem)
    refuse(problems)
    return to_warnings(repeats)


def to_warnings(problems: list[Problem]) -> list[Message]:
    """The first of them with their places, and how many more there are."""
    warnings = [problem.in_its_place() for problem in problems[:MAX_PROBLEMS]]
    more = len(problems) - len(warnings)
    return [*warnings, Message("more_of_this_kind", more=more)] if more else warnings
