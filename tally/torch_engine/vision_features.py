"""What the vision tower makes of an image, kept: no adapter reaches the tower."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tally.families.vision import Pixels
from tally.host.bounded_cache import BoundedCache
from tally.host.lookups import Lookups
from tally.sampling.engine import LocalBlob
from tally.sampling.errors import BadImage
from tally.sampling.images import read_image
from tally.sampling.model import LoadedModel
from tally.torch_engine.vision import VisionFeatures


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """An image that is read but not encoded."""

    pixels: Pixels
    size: tuple[int, int, int]


class VisionCache:
    """Features by image digest, at most `max_bytes` of them, the least recently used out first."""

    def __init__(self, loaded: LoadedModel, max_bytes: int) -> None:
        self._loaded = loaded
        self._tower = loaded.family.frozen_tower(loaded.family.visual(loaded.model))
        self._kept = BoundedCache[str, VisionFeatures](max_bytes, lambda one: one.features.nbytes)
        self._lookups = Lookups()

    @property
    def lookups(self) -> Mapping[str, Lookups]:
        return {"vision_features": self._lookups}

    def prepare(self, images: Sequence[LocalBlob]) -> None:
        """One pass for all that are not kept; who asks for one that can't be read is told then."""
        missing = {image.digest: image for image in images if image.digest not in self._kept}
        self._lookups.misses += len(missing)
        self._lookups.hits += len(images) - len(missing)
        read: dict[str, _Picture] = {}
        for digest, image in missing.items():
            with suppress(BadImage):
                read[digest] = self._read(image)
        if read:
            self._encode(read)

    def get(self, image: LocalBlob) -> VisionFeatures:
        """One pass of the tower at most; raises BadImage."""
        if kept := self._kept.get(image.digest):
            return kept
        [seen] = self._encode({image.digest: self._read(image)})
        return seen

    def _read(self, image: LocalBlob) -> _Picture:
        grid = self._loaded.grid
        picture = read_image(image.path, grid)
        pixels = self._loaded.family.patches([picture], self._loaded.image_processor)
        return _Picture(pixels=pixels, size=grid.patches(*picture.size))

    def _encode(self, read: Mapping[str, _Picture]) -> list[VisionFeatures]:
        """By digest, of one image at least; keeps what it makes."""
        pixels = [picture.pixels for picture in read.values()]
        features = self._tower(pixels[0].join(pixels).to(self._loaded.device))
        seen = [
            VisionFeatures(features=tokens, size=picture.size)
            for tokens, picture in zip(features, read.values(), strict=True)
        ]
        for digest, one in zip(read, seen, strict=True):
            self._kept[digest] = one
        return seen
