"""What an engine asks for of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from tally.host.lookups import Lookups
from tally.sampling.engine import LocalBlob


@dataclass(frozen=True, kw_only=True)
class VisionFeatures:
    """`features`, a row for each image token; `size`: the image's frames, rows and columns of
    patches."""

    features: Tensor
    size: tuple[int, int, int]


class VisionSource(Protocol):
    """Features of images by their digests; every call comes from the engine's one thread."""

    @property
    def lookups(self) -> Mapping[str, Lookups]:
        """Of each of its caches, by the cache's name."""

    def prepare(self, images: Sequence[LocalBlob]) -> None:
        """Makes what `get` will be asked for, together; who asks for an image that can't be read
        is told then."""

    def get(self, image: LocalBlob) -> VisionFeatures:
        """Raises BadImage."""
