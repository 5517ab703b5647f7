"""The process of one row: `python -m bench.gpu.row MODULE`; `bench.gpu` starts it."""

import argparse
import importlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.gpu.record import Figure
from tally.host.parent import end_with_parent


@dataclass(frozen=True, kw_only=True)
class RowContext:
    """What a row may ask for: `work` keeps models from one row to the next."""

    argument: str
    work: Path
    rehearse: bool
    figures_path: Path

    @property
    def device(self) -> str:
        return "cpu" if self.rehearse else "cuda"

    def note(self, case: str, says: str, **numbers: Any) -> None:
        """Keeps a figure at once, so that it stays where the row is cut off after it."""
        figure = Figure(case=case, says=says, numbers=numbers)
        with self.figures_path.open("a") as file:
            file.write(json.dumps(asdict(figure)) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("--argument", default="")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--figures", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--rehearse", action="store_true")
    chosen = parser.parse_args()
    end_with_parent(chosen.parent)
    context = RowContext(
        argument=chosen.argument,
        work=chosen.work,
        rehearse=chosen.rehearse,
        figures_path=chosen.figures,
    )
    importlib.import_module(chosen.module).measure(context)


if __name__ == "__main__":
    main()
