"""Where the patches of an image stand: window by window, windows of one size side by side. Pure."""

from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Layout:
    """An image of S patches, in units of neighbours that become one token.

    `order` [S / unit] names the unit that stands at each place, `places` [S / unit] is its inverse.
    `positions` [S, 2] are row and column of the patch at each place. `windows` are runs of windows
    of one size: how many, of how many patches each.
    """

    order: Tensor
    places: Tensor
    positions: Tensor
    windows: tuple[tuple[int, int], ...]

    def to(self, device: torch.device) -> "Layout":
        return replace(
            self,
            order=self.order.to(device),
            places=self.places.to(device),
            positions=self.positions.to(device),
        )


def lay_out(height: int, width: int, *, merge: int, window: int | None) -> Layout:
    """Of `height` × `width` patches, `merge` × `merge` of which become one token.

    `window` is the side of a window in patches; None for a tower without windows.
    """
    rows, columns = height // merge, width // merge
    units = torch.arange(rows * columns).view(rows, columns)
    side = max(rows, columns) if window is None else window // merge
    cut = [
        units[top : top + side, left : left + side].flatten()
        for top in range(0, rows, side)
        for left in range(0, columns, side)
    ]
    cut.sort(key=len, reverse=True)
    order = torch.cat(cut)
    sizes = groupby(len(one) * merge**2 for one in cut)
    return Layout(
        order=order,
        places=order.argsort(),
        positions=_positions(height, width, merge)[order].flatten(0, 1),
        windows=tuple((len(list(run)), size) for size, run in sizes),
    )


def _positions(height: int, width: int, merge: int) -> Tensor:
    """Row and column of every patch, [units, patches of a unit, 2]: in the processor's order."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = torch.stack((rows, columns), dim=-1)
    grid = grid.view(height // merge, merge, width // merge, merge, 2)
    return grid.transpose(1, 2).reshape(-1, merge**2, 2)
