"""What a bench prints: a table for a person, then one line of JSON with every figure."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def options(description: str) -> argparse.ArgumentParser:
    """A parser with `--quick`, which every bench has; a bench may add its own options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    return parser


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Numbers are shown with four significant digits."""
    cells = [list(columns), *([_format(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        left, *others = [(cell, width) for cell, width in zip(row, widths, strict=True)]
        print(left[0].ljust(left[1]), *(cell.rjust(width) for cell, width in others), sep="  ")


def print_json(bench: str, settings: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
    """The last line of every bench: what was measured, and under which settings."""
    print(json.dumps({"bench": bench, "settings": dict(settings), "figures": dict(figures)}))


def run_apart(
    module: str,
    *arguments: str,
    threads: int | None = None,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The figures that a bench's module prints last, in a process of its own.

    With as many threads of OpenMP as are said; it has this process's if None. `variables` are set
    in its environment. Raises CalledProcessError.
    """
    environment = dict(variables or {})
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    run = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    figures: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])["figures"]
    return figures


def _format(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
