"""Learnt embeddings of positions on a square grid, for images of other sizes."""

from math import isqrt

from torch import Tensor
from torch.nn import functional


class LearntPositions:
    """`table` [side * side, C] row by row, as wide and as high as any image: interpolated."""

    def __init__(self, table: Tensor) -> None:
        self._table = table

    def at(self, positions: Tensor, height: int, width: int) -> Tensor:
        """At `positions` [S, 2], row and column of `height` × `width` → [S, C] in float32."""
        side = isqrt(len(self._table))
        square = self._table.detach().float().T.view(1, -1, side, side)
        size = (height, width)
        fitted = functional.interpolate(square, size, mode="bilinear", align_corners=True)
        rows, columns = positions.unbind(-1)
        return fitted[0, :, rows, columns].T
