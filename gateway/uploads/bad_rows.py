"""Rows that can't be taken: left out where the uploader asks for that, else why it is refused."""

from typing import NamedTuple

from gateway.errors import Problem, refuse
from tally.messages.message import Message

_MOST_BEFORE_REFUSAL = 1_000


class BadRow(NamedTuple):
    """A row by its number, and what is wrong with it or with its image."""

    number: int
    message: Message
    image: str | None = None

    def describe(self) -> Message:
        """What is wrong, said of the image where it is the image's."""
        return Problem(self.image, self.message).in_its_place() if self.image else self.message

    def to_problem(self) -> Problem:
        return Problem(self.image or f"row {self.number}", self.message)


class BadRows:
    """Those of one upload, each once."""

    def __init__(self, *, skip: bool) -> None:
        self.skip = skip
        self._rows: dict[int, BadRow] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, number: int, message: Message, image: str | None = None) -> None:
        self._rows.setdefault(number, BadRow(number, message, image))

    @property
    def are_too_many(self) -> bool:
        """Whether so many are known that no more need be, since all will be refused."""
        return not self.skip and len(self._rows) > _MOST_BEFORE_REFUSAL

    def settle(self, *, rows_left: int) -> None:
        """Raises Unprocessable that lists them, unless they may be left out and others are left."""
        if not self.skip or not rows_left:
            refuse(list(dict.fromkeys(row.to_problem() for row in self.in_order())))

    def in_order(self) -> list[BadRow]:
        return [self._rows[number] for number in sorted(self._rows)]
