"""Images padded to squares, as a tower without a grid of its own reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PaddedImages:
    """N images, which may have different sides S: one tensor each.

    `pixel_values` are [3, S, S], `pixel_masks` [S, S] bool, true where there is a picture.
    """

    pixel_values: tuple[Tensor, ...]
    pixel_masks: tuple[Tensor, ...]

    @classmethod
    def join(cls, parts: Iterable[PaddedImages]) -> PaddedImages:
        """The images of all `parts`, in order."""
        values, masks = zip(*((one.pixel_values, one.pixel_masks) for one in parts), strict=True)
        return cls(pixel_values=sum(values, start=()), pixel_masks=sum(masks, start=()))

    def to(self, device: torch.device) -> PaddedImages:
        """All of them on `device`."""
        return PaddedImages(
            pixel_values=tuple(pixels.to(device) for pixels in self.pixel_values),
            pixel_masks=tuple(mask.to(device) for mask in self.pixel_masks),
        )
