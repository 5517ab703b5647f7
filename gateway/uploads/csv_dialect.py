"""What separates the cells of main.csv: commas, semicolons or tabs."""

import re
from collections.abc import Callable
from typing import NamedTuple

# By the separator, how it is shown.
SEPARATORS = {",": ",", ";": ";", "\t": "Tab"}
# A line that Excel understands and doesn't show: its header is row 1 all the same.
_SEPARATOR_LINE = re.compile(r'\s*"?sep=([,;\t])"?[,;\t]*(?:\r\n|\r|\n)', re.I)
_FIRST_LINE = re.compile(r"[^\r\n]*\S[^\r\n]*")
_MOST_HEADER_CHARACTERS = 10_000


class CsvText(NamedTuple):
    """A table's text from its first record on, and what separates its cells."""

    text: str
    separator: str


def find_separator(text: str, is_header: Callable[[list[str]], bool]) -> CsvText:
    """The separator that a line `sep=` names, or the only one that makes the first line a header.

    A comma where none does, or several do.
    """
    if named := _SEPARATOR_LINE.match(text):
        return CsvText(text[named.end() :], named[1])
    first = _FIRST_LINE.search(text, 0, _MOST_HEADER_CHARACTERS)
    line = first.group() if first else ""
    found = [one for one in SEPARATORS if is_header(_split(line, one))]
    return CsvText(text, found[0] if len(found) == 1 else ",")


def _split(line: str, separator: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(separator)]
