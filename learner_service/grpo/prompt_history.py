"""What the groups of each row taught lately, and which rows were chosen by it.

It belongs to a checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel

_FILE = "prompt_history.json"


@dataclass(frozen=True, kw_only=True)
class ChosenRow:
    """A row of a step by its index; a step's figures are means by the weights of its rows, which
    are expected to be the means over all rows. Those of a step add up to 1."""

    index: int
    weight: float


class PromptHistory(BaseModel):
    """`untaught`: how many of each row's last groups in a row taught nothing, by the row's index.
    `chosen`: the rows of steps that are on their way, by the number of the step."""

    untaught: list[int]
    chosen: dict[int, list[ChosenRow]] = {}

    @classmethod
    def of_no_step(cls, num_rows: int) -> Self:
        return cls(untaught=[0] * num_rows)

    def note(self, step: int, taught: Sequence[bool]) -> None:
        """`taught` says of each row of the step whether its group taught anything."""
        for row, has_taught in zip(self.chosen.pop(step), taught, strict=True):
            self.untaught[row.index] = 0 if has_taught else self.untaught[row.index] + 1

    def save(self, folder: Path) -> None:
        (folder / _FILE).write_text(self.model_dump_json())

    @classmethod
    def read(cls, checkpoint: Path) -> Self | None:
        """None where a checkpoint has none."""
        path = checkpoint / _FILE
        return cls.model_validate_json(path.read_bytes()) if path.exists() else None
