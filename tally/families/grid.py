"""The sizes of pictures that a model sees as they are, and what each becomes. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class ImageGrid(Protocol):
    """Which sizes a family's image processor leaves as they are; all sizes are in pixels."""

    def tokens(self, width: int, height: int) -> int:
        """Image tokens of a picture that is on the grid."""

    def patches(self, width: int, height: int) -> tuple[int, int, int]:
        """Frames, rows and columns of the patches of a picture that is on the grid."""

    def fit(self, width: int, height: int, max_side_pixels: int) -> tuple[int, int]:
        """Width and height that no processor resizes again, the longer side about as asked.

        Raises ValueError for sides that the processor refuses.
        """

    def check(self, width: int, height: int) -> None:
        """Raises ValueError, saying what would be right, where the processor would resize."""


@dataclass(frozen=True, kw_only=True)
class PatchGrid:
    """What the image processors of Qwen's models do with sizes.

    A picture is cut into patches; `merge_size` × `merge_size` of them become one token.
    """

    patch_pixels: int
    merge_size: int
    min_pixels: int
    max_pixels: int

    @property
    def token_pixels(self) -> int:
        """The side of what becomes one token: each side of a picture is a multiple of it."""
        return self.patch_pixels * self.merge_size

    def tokens(self, width: int, height: int) -> int:
        return (width // self.token_pixels) * (height // self.token_pixels)

    def patches(self, width: int, height: int) -> tuple[int, int, int]:
        return 1, height // self.patch_pixels, width // self.patch_pixels

    def fit(self, width: int, height: int, max_side_pixels: int) -> tuple[int, int]:
        """Raises ValueError for sides of more than 200 to 1."""
        scale = min(1.0, max_side_pixels / max(width, height))
        return self._resize(
            max(self.token_pixels, round(width * scale)),
            max(self.token_pixels, round(height * scale)),
            min(self.max_pixels, max(self.min_pixels, max_side_pixels**2)),
        )

    def check(self, width: int, height: int) -> None:
        if width % self.token_pixels or height % self.token_pixels:
            raise ValueError(
                f"{width}x{height} px; both sides must be multiples of {self.token_pixels}"
            )
        try:
            resized = self._resize(width, height, self.max_pixels)
        except ValueError:  # an aspect ratio that the processor refuses
            resized = (0, 0)
        if resized != (width, height):
            raise ValueError(
                f"{width}x{height} px would be resized; expected {self.min_pixels} to "
                f"{self.max_pixels} pixels in all, and sides of at most 200 to 1"
            )

    def _resize(self, width: int, height: int, max_pixels: int) -> tuple[int, int]:
        """As the processor itself resizes: width and height."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (  # noqa: PLC0415
            smart_resize,
        )

        height, width = smart_resize(
            height,
            width,
            factor=self.token_pixels,
            min_pixels=self.min_pixels,
            max_pixels=max_pixels,
        )
        return width, height


@dataclass(frozen=True, kw_only=True)
class PaddedGrid:
    """Pictures are scaled to one of a few longer sides, then padded to a square of that side.

    Every square of a side becomes the same number of tokens, `tokens_by_side`, whatever part of it
    the picture fills. The shorter side is at least `min_side_pixels`.
    """

    patch_pixels: int
    min_side_pixels: int
    tokens_by_side: Mapping[int, int]

    def tokens(self, width: int, height: int) -> int:
        return self.tokens_by_side[max(width, height)]

    def patches(self, width: int, height: int) -> tuple[int, int, int]:
        """A patch that the picture fills in part is one of them."""
        return 1, math.ceil(height / self.patch_pixels), math.ceil(width / self.patch_pixels)

    def fit(self, width: int, height: int, max_side_pixels: int) -> tuple[int, int]:
        """The longest side that is not beyond what is asked, or else the shortest there is."""
        sides = sorted(self.tokens_by_side)
        longer = max((side for side in sides if side <= max_side_pixels), default=sides[0])
        shorter = int(min(width, height) * longer / max(width, height))
        shorter = max(shorter, self.min_side_pixels)
        return (longer, shorter) if width >= height else (shorter, longer)

    def check(self, width: int, height: int) -> None:
        if max(width, height) in self.tokens_by_side and min(width, height) >= self.min_side_pixels:
            return
        sides = " or ".join(str(side) for side in sorted(self.tokens_by_side))
        raise ValueError(
            f"{width}x{height} px would be resized; expected a longer side of {sides} px and a "
            f"shorter one of at least {self.min_side_pixels}"
        )
