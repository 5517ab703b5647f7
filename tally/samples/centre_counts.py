"""How many centres of objects fall into each cell of a grid: what there is to see in a scene."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tally.samples.kinds import Point
from tally.samples.scenes import IMAGE_SIZE_PIXELS

Counts = NDArray[np.float32]


def centre_counts(centres: Sequence[Point], side_cells: int) -> Counts:
    """Each centre shared out bilinearly to the cells about it → [side_cells, side_cells], rows
    first; their sum is the number of centres."""
    cells: NDArray[Any] = np.zeros((side_cells, side_cells), dtype=np.float32)
    for x, y in centres:
        column, row = (_place(pixels, side_cells) for pixels in (x, y))
        left, top = min(int(column), side_cells - 2), min(int(row), side_cells - 2)
        for r, row_share in ((top, top + 1 - row), (top + 1, row - top)):
            for c, column_share in ((left, left + 1 - column), (left + 1, column - left)):
                cells[r, c] += row_share * column_share
    return cells


def _place(pixels: float, side_cells: int) -> float:
    """A coordinate in cells, from the middle of the first one to that of the last one."""
    return min(max(pixels * side_cells / IMAGE_SIZE_PIXELS - 0.5, 0.0), side_cells - 1.0)
