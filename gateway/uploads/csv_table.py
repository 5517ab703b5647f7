"""main.csv as rows. Rows are numbered as a spreadsheet shows them: the header is row 1."""

from collections.abc import Iterator

from gateway.errors import Problem, Unprocessable
from gateway.settings import GatewaySettings
from gateway.uploads.bad_rows import BadRows
from gateway.uploads.checking import Check
from gateway.uploads.csv_dialect import SEPARATORS, find_separator
from gateway.uploads.csv_records import read_records
from gateway.uploads.header import COLUMNS, Header, is_header
from gateway.uploads.rows import Row, Table, gather_rows
from tally.messages.message import Message


def read_csv(text: str, name: str, settings: GatewaySettings, bad: BadRows) -> Check[Table]:
    """The rows of the table `name`; raises Unprocessable that lists rows, or TooLarge."""
    csv = find_separator(text, is_header)
    records = read_records(csv.text, csv.separator, settings)
    first = next(records, None)
    if first is None:
        raise Unprocessable.at(name, Message("table_empty", columns=",".join(COLUMNS)))
    width, header = len(first[1]), Header(first[1])
    found = ((number, _row(number, cells, width, header)) for number, cells in records)
    table = yield from gather_rows(found, name, settings, bad)
    return table._replace(warnings=list(_warn(name, csv.separator, header)))


def _row(number: int, cells: list[str], width: int, header: Header) -> Row | Message:
    if len(cells) != width:
        return Message("row_ragged", cells=len(cells), columns=width)
    image, question, answer = (cells[index].strip() for index in header.indexes)
    return Row(number, image, question, answer)


def _warn(name: str, separator: str, header: Header) -> Iterator[Message]:
    """What was understood beyond the documented form."""
    if separator != ",":
        message = Message("separator_told", separator=SEPARATORS[separator])
        yield Problem(name, message).in_its_place()
    for column, spelling in header.spelt_otherwise.items():
        message = Message("column_told", spelling=spelling, column=column)
        yield Problem(name, message).in_its_place()
