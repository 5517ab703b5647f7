"""What a day has brought so far: a table for people and a JSON, written after every row."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tally.host.whole_file import write_whole


class Outcome(StrEnum):
    """How a row ended."""

    DONE = "done"
    FAILED = "failed"
    OUT_OF_BOUND = "out of time"  # its own bound was reached: it hung, or it is slow
    MISSING = "missing"  # a package that it needs
    NO_TIME = "not begun"  # too little of the day was left


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A case that a row measured: `says` for people, `numbers` with units in their names."""

    case: str
    says: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RowResult:
    """A row that ended, however it did; `figures` are those from before."""

    name: str
    outcome: Outcome
    seconds: float = 0.0
    reason: str = ""  # where it is not done
    log_tail: str = ""  # likewise
    figures: Sequence[Figure] = ()


class Record:
    """The results in `folder`: gpu.json, which a later run goes on from, and gpu.md."""

    def __init__(self, folder: Path, rehearsed: bool) -> None:
        self._folder = folder
        self._rehearsed = rehearsed
        folder.mkdir(parents=True, exist_ok=True)
        self._results = {result.name: result for result in self._read()}

    @property
    def results(self) -> list[RowResult]:
        return list(self._results.values())

    def is_done(self, name: str) -> bool:
        return name in self._results and self._results[name].outcome is Outcome.DONE

    def add(self, result: RowResult) -> None:
        """Both files are whole whenever a reader opens them."""
        self._results[result.name] = result
        rows = [asdict(one) for one in self.results]
        fields = {"bench": "gpu", "rehearsed": self._rehearsed, "rows": rows}
        write_whole(self._json, json.dumps(fields, indent=1))
        write_whole(self._folder / "gpu.md", self.table())

    def table(self) -> str:
        """In Markdown, a line for each case."""
        heading = "| row | outcome | s | case | |\n|---|---|---|---|---|\n"
        note = "A rehearsal on the CPU with small shapes.\n\n" if self._rehearsed else ""
        return note + heading + "".join(map(_lines, self.results))

    @property
    def _json(self) -> Path:
        return self._folder / "gpu.json"

    def _read(self) -> list[RowResult]:
        """Those of an earlier run of the same kind."""
        if not self._json.exists():
            return []
        fields = json.loads(self._json.read_text())
        return [_result(row) for row in fields["rows"] if fields["rehearsed"] == self._rehearsed]


def _result(row: dict[str, Any]) -> RowResult:
    figures = [Figure(**figure) for figure in row.pop("figures")]
    return RowResult(**row | {"outcome": Outcome(row["outcome"]), "figures": figures})


def _lines(result: RowResult) -> str:
    cells = [(figure.case, figure.says) for figure in result.figures]
    if result.reason:
        cells.append(("", result.reason))
    first = [f"| {result.name} | {result.outcome} | {result.seconds:.0f} |"]
    starts = first + ["| | | |"] * (len(cells) - 1)
    return "".join(
        f"{start} {case} | {_cell(says)} |\n"
        for start, (case, says) in zip(starts, cells or [("", "")], strict=True)
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
