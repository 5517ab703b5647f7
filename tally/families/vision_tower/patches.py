"""Images as the vision tower reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Patches:
    """N images: `pixel_values` [patches, channels * frames * patch * patch], one after another.

    `grid_thw` [N, 3]: frames, rows and columns of each image's patches.
    """

    pixel_values: Tensor
    grid_thw: Tensor

    @classmethod
    def join(cls, parts: Iterable[Patches]) -> Patches:
        """The images of all `parts`, in order."""
        pixel_values, grids = zip(*((one.pixel_values, one.grid_thw) for one in parts), strict=True)
        return cls(pixel_values=torch.cat(pixel_values), grid_thw=torch.cat(grids))

    @property
    def sizes(self) -> list[tuple[int, int, int]]:
        """Frames, rows and columns of each image's patches."""
        return [(frames, rows, columns) for frames, rows, columns in self.grid_thw.tolist()]

    def to(self, device: torch.device) -> Patches:
        """The pixels on `device`; the grids stay on the CPU, where they are read."""
        return Patches(pixel_values=self.pixel_values.to(device), grid_thw=self.grid_thw)
