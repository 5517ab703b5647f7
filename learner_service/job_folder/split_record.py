"""Which rows of its data a job holds out, written down: a job that goes on keeps to them."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

_NAME = "held_out.json"


def recorded_rows(folder: Path, decide: Callable[[], list[int]]) -> list[int]:
    """The rows that are held out; what `decide` says is written down first."""
    path = folder / _NAME
    if not path.exists():
        staged = path.with_suffix(".staged")
        with staged.open("w") as file:
            json.dump({"rows": decide()}, file)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    rows: list[int] = json.loads(path.read_text())["rows"]
    return rows


def adopt_split(earlier: Path, folder: Path) -> None:
    """Takes over what an earlier job held out, along with its checkpoint."""
    if (earlier / _NAME).exists():
        shutil.copyfile(earlier / _NAME, folder / _NAME)
