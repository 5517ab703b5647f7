"""What is asked of the vision side of a family: pictures in, features of their tokens out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Pixels(Protocol):
    """N images as a family's vision tower reads them."""

    @classmethod
    def join(cls, parts: Iterable[Self]) -> Self:
        """The images of all `parts`, in order."""

    def to(self, device: torch.device) -> Self:
        """The pixels on `device`."""


class VisionTower(Protocol):
    """Pixels to features, by weights that don't change."""

    @property
    def hidden_size(self) -> int:
        """Of the tower's own layers, not of its features."""

    def __call__(self, images: Any, /) -> list[Tensor]:
        """The features of N images, the family's own Pixels: [image tokens, H] each."""
