"""What transformers logged of every step, in a file: memory and checkpoints don't grow with it."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from tally.host.whole_file import write_whole


class StepHistory:
    """One line of JSON for each entry of `TrainerState.log_history`, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rewind(self, step: int) -> None:
        """Forgets what was logged after `step`: a resumed worker does it again."""
        kept = [entry for entry in self.entries() if entry["step"] <= step]
        write_whole(self.path, "".join(map(_line, kept)))

    def append(self, entry: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(_line(entry))

    def adopt(self, earlier: "StepHistory") -> None:
        """Takes over what an earlier job logged, if it did."""
        with suppress(FileNotFoundError):
            shutil.copyfile(earlier.path, self.path)

    def entries(self, having: str = "") -> list[dict[str, Any]]:
        """Those that have a figure of this name, or all; without a last line that a killed worker
        left unfinished."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().splitlines(keepends=True)
        # Before it is parsed: a long job's history is, for some of its lines, read often.
        wanted = f'"{having}"' if having else ""
        return [json.loads(line) for line in lines if line.endswith("\n") and wanted in line]


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"
