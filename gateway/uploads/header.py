"""The columns of a table, found by their names however these are spelt."""

import re

from gateway.errors import Problem, refuse
from tally.messages.message import Message

COLUMNS = ("images_path", "question", "answer")
# What others call the column of the images.
IMAGE_NAMES = ("images_path", "image_path", "image", "file_name")
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


class Header:
    """Where the columns are, and those that are not spelt as documented, each with its spelling."""

    def __init__(self, cells: list[str]) -> None:
        """Raises Unprocessable for a column that is missing or there twice."""
        names = [cell.strip() for cell in cells]
        problems: list[Problem] = []
        self.spelt_otherwise: dict[str, str] = {}
        self.indexes: list[int] = []
        for column in COLUMNS:
            found = _find(column, names)
            if len(found) == 1:
                self.indexes.append(found[0])
                if names[found[0]] != column:
                    self.spelt_otherwise[column] = names[found[0]]
            elif found:
                problems.append(Problem("row 1", Message("column_twice", column=column)))
            else:
                shown = ", ".join(names)[:200]
                message = Message("column_missing", column=column, found=shown)
                problems.append(Problem("row 1", message))
        refuse(problems)


def is_header(cells: list[str]) -> bool:
    """Whether these name every column."""
    names = [cell.strip() for cell in cells]
    return all(_find(column, names) for column in COLUMNS)


def _find(column: str, names: list[str]) -> list[int]:
    """The places of the column: as it is documented, else in the first spelling that is there."""
    if column in names:
        return [place for place, name in enumerate(names) if name == column]
    plain = [_BETWEEN_WORDS.sub("_", name.casefold()) for name in names]
    for spelling in IMAGE_NAMES if column == COLUMNS[0] else (column,):
        if spelling in plain:
            return [place for place, name in enumerate(plain) if name == spelling]
    return []
