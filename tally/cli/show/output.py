"""How commands print: tables for people, JSON for programs, errors on standard error."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tally.text.sinks import to_json, to_line, to_terminal

console = Console(highlight=False)
error_console = Console(stderr=True, highlight=False)


def say(text: str, shown_on: Console = console) -> None:
    """Lines as they are: no markup, no wrapping, and nothing that a terminal would obey."""
    shown_on.print(to_terminal(text), markup=False, soft_wrap=True)


def say_error(text: str) -> None:
    say(text, error_console)


def print_json(value: Any) -> None:
    typer.echo(to_json(value))


def print_fields(names: list[str], things: Sequence[Mapping[str, Any]]) -> None:
    """A table of some fields of each thing."""
    print_table(names, [[thing.get(name) for name in names] for thing in things])


def print_table(columns: list[str], rows: list[list[Any]]) -> None:
    """A table; None is an empty cell. Standard output that is no terminal gets plain columns."""
    columns = [to_line(column) for column in columns]
    cells = [["" if cell is None else to_line(str(cell)) for cell in row] for row in rows]
    if not console.is_terminal:
        for line in [columns, *cells]:
            typer.echo("\t".join(line))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # An id is there to be copied.
        table.add_column(Text(column), overflow="fold", no_wrap=column.endswith("_id"))
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)
