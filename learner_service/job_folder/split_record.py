"""Which rows of its data a job holds out, written down: a job that goes on keeps to them."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tally.host.whole_file import write_whole


class SplitRecord:
    """The rows in the file at `path`, by their numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, decide: Callable[[], list[int]]) -> list[int]:
        """The rows that are held out; where nothing is written yet, what `decide` says is."""
        if not self.path.exists():
            self._write(decide())
        rows: list[int] = json.loads(self.path.read_text())["rows"]
        return rows

    def adopt(self, earlier: "SplitRecord") -> None:
        """Takes over what an earlier job held out, if it says so."""
        with suppress(FileNotFoundError):
            shutil.copyfile(earlier.path, self.path)

    def _write(self, rows: list[int]) -> None:
        write_whole(self.path, json.dumps({"rows": rows}))
