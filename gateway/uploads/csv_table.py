"""main.csv as rows. Rows are numbered as a spreadsheet shows them: the header is row 1."""

import unicodedata
from typing import NamedTuple

from gateway.errors import MAX_PROBLEMS, Problem, TooLarge, Unprocessable, refuse
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
        raise Unprocessable.at("main.csv", f"is empty; its first row is {','.join(COLUMNS)}")
    indexes = _column_indexes(header[1])
    rows: list[Row] = []
    problems: list[Problem] = []
    answer_characters = 0
    for done, (number, cells) in enumerate(records):
        if done % _ROWS_AT_A_TIME == 0:
            yield
        row = _row(number, cells, len(header[1]), indexes)
        problem = row if isinstance(row, str) else _cell_problem(row, settings)
        if problem:
            problems.append(Problem(f"row {number}", problem))
        elif isinstance(row, Row):
            answer_characters += len(row.answer)
            rows.append(row._replace(image=_entry_name(row.image)))
        if answer_characters > settings.max_answer_characters:
            most = f"{settings.max_answer_characters:,} characters"
            raise TooLarge.at("main.csv", f"has answers of more than {most} together; split it")
        if len(problems) > _MOST_LISTED:
            break
    refuse(problems)
    if not rows:
        raise Unprocessable.at("main.csv", "has a header and no rows; add a row for each question")
    return rows


def _column_indexes(header: list[str]) -> list[int]:
    names = [name.strip() for name in header]
    problems = []
    for column in COLUMNS:
        if column not in names:
            found = ", ".join(names)[:200]
            message = f"the column {column} is missing; the header has {found}"
            problems.append(Problem("row 1", message))
        elif names.count(column) > 1:
            problems.append(Problem("row 1", f"the column {column} is there twice; keep one"))
    refuse(problems)
    return [names.index(column) for column in COLUMNS]


def _row(number: int, cells: list[str], width: int, indexes: list[int]) -> Row | str:
    if len(cells) != width:
        return f"has {len(cells)} cells where the header has {width}; quote cells that hold commas"
    image, question, answer = (cells[index].strip() for index in indexes)
    return Row(number, image, question, answer)


def _cell_problem(row: Row, settings: GatewaySettings) -> str | None:
    for column, cell in zip(COLUMNS, row[1:], strict=True):
        if not cell:
            return f"{column} is empty"
        if len(cell) > settings.max_cell_characters:
            return f"{column} is longer than {settings.max_cell_characters} characters"
    return _image_cell_problem(row.image)


def _image_cell_problem(image: str) -> str | None:
    if len(image) > MOST_NAME_CHARACTERS:
        return f"images_path is longer than {MOST_NAME_CHARACTERS} characters"
    parts = image.replace("\\", "/").split("/")
    if "://" in image or image.lower().startswith(("file:", "http:", "https:", "data:")):
        return "images_path is an address; write the name of a file in images/"
    if ".." in parts or parts[0] == "" or image[1:2] == ":":
        return "images_path leads out of images/; write the name of a file in it"
    if not image.isprintable():
        return "images_path holds control characters; write the name of a file in images/"
    return None


def _entry_name(image: str) -> str:
    """The entry that an images_path cell names, composed (NFC) as those of the archive are."""
    name = unicodedata.normalize("NFC", image.replace("\\", "/").removeprefix("./"))
    return name if name.startswith(IMAGES_FOLDER) else IMAGES_FOLDER + name


def duplicate_warnings(rows: list[Row], counts: list[int]) -> list[str]:
    """Warnings for rows that repeat others; raises Unprocessable where their counts differ."""
    first: dict[tuple[str, str], tuple[int, int]] = {}
    problems, repeats = [], []
    for row, count in zip(rows, counts, strict=True):
        seen_number, seen_count = first.setdefault((row.image, row.question), (row.number, count))
        if seen_count != count:
            message = f"asks what row {seen_number} asks, with another answer; keep one of them"
            problems.append(Problem(f"row {row.number}", message))
        elif seen_number != row.number:
            repeats.append(f"row {row.number}: repeats row {seen_number}")
    refuse(problems)
    return shorten(repeats)


def shorten(warnings: list[str]) -> list[str]:
    more = len(warnings) - MAX_PROBLEMS
    return warnings if more <= 0 else [*warnings[:MAX_PROBLEMS], f"and {more} more of this kind"]
