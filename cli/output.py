"""How commands print: tables for people, JSON for programs, errors on standard error."""

import json
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
error_console = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """One line as it is: no markup, no wrapping."""
    console.print(text, markup=False, soft_wrap=True)


def say_error(text: str) -> None:
    error_console.print(text, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


def print_table(columns: list[str], rows: list[list[Any]]) -> None:
    """A table; None is an empty cell. Standard output that is no terminal gets plain columns."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not console.is_terminal:
        for line in [columns, *cells]:
            typer.echo("\t".join(line))
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in cells:
        table.add_row(*row)
    console.print(table)


def comparison_rows(evaluation: dict[str, Any]) -> list[list[str]]:
    """A held-out comparison as rows of label, base, adapter."""
    labels = {
        "exact rate": "exact_rate",
        "within one": "within_one_rate",
        "mean error": "mean_absolute_count_error",
        "reward": "reward_mean",
        "no count": "parse_failure_rate",
    }
    base, adapter = evaluation["base"], evaluation["adapter"]
    return [[label, _number(base, name), _number(adapter, name)] for label, name in labels.items()]


def print_comparison(evaluation: dict[str, Any]) -> None:
    heading = f"held-out, n={evaluation['num_samples']}"
    print_table([heading, "base", "adapter"], comparison_rows(evaluation))


def _number(scores: dict[str, Any], name: str) -> str:
    value = scores.get(name)
    if name == "mean_absolute_count_error" and scores.get("parse_failure_rate") == 1:
        value = None  # no answer held a count, so there is no error to take the mean of
    return "–" if value is None else f"{value:.2f}"
