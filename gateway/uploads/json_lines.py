"""main.jsonl as rows: an object a line, numbered as an editor does, from 1."""

import io
from collections.abc import Iterator

from gateway.errors import TooLarge
from gateway.settings import GatewaySettings
from gateway.uploads.bad_rows import BadRows
from gateway.uploads.checking import Check
from gateway.uploads.rows import Row, Table, gather_rows
from tally.annotations.errors import NoQuestion
from tally.annotations.json_lines import read_question
from tally.messages.message import Message

_MOST_LINE_CHARACTERS = 1_000_000


def read_json_lines(text: str, name: str, settings: GatewaySettings, bad: BadRows) -> Check[Table]:
    """The rows of the table `name`; raises Unprocessable that lists rows, or TooLarge."""
    return gather_rows(_read_lines(text, settings), name, settings, bad)


def _read_lines(text: str, settings: GatewaySettings) -> Iterator[tuple[int, Row | Message]]:
    """The lines that are not blank."""
    reader = io.StringIO(text)
    lines = iter(lambda: reader.readline(_MOST_LINE_CHARACTERS + 1), "")
    for number, line in enumerate(lines, start=1):
        if len(line) > _MOST_LINE_CHARACTERS:
            message = Message("cell_endless", most=_MOST_LINE_CHARACTERS)
            raise TooLarge.at(f"row {number}", message)
        if number > settings.max_rows:
            raise TooLarge.at("file", Message("too_many_rows", most=settings.max_rows))
        if line.strip():
            yield number, _row(number, line)


def _row(number: int, line: str) -> Row | Message:
    try:
        return Row(number, *read_question(line))
    except NoQuestion:
        return Message("line_no_row")
