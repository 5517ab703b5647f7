"""What the vision tower makes of an image, kept: no adapter reaches the tower."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from rollout_service.engine import LocalBlob
from rollout_service.errors import BadImage
from rollout_service.images import Patches, read_patches
from rollout_service.model import LoadedModel
from tally.families.vision_tower.tower import FrozenTower
from tally.host.bounded_cache import BoundedCache


@dataclass(frozen=True, kw_only=True)
class VisionFeatures:
    """`features` [image tokens, H] on the model's device; `grid_thw` [1, 3] on the CPU."""

    features: Tensor
    grid_thw: Tensor


class VisionCache:
    """Features by image digest, at most `max_bytes` of them, the least recently used out first."""

    def __init__(self, loaded: LoadedModel, max_bytes: int) -> None:
        self._loaded = loaded
        self._tower = FrozenTower(loaded.model.model.visual)
        self._kept = BoundedCache[str, VisionFeatures](max_bytes, lambda one: one.features.nbytes)

    def prepare(self, images: Sequence[LocalBlob]) -> None:
        """One pass for all that are not kept; who asks for one that can't be read is told then."""
        missing = {image.digest: image for image in images if image.digest not in self._kept}
        read: dict[str, Patches] = {}
        for digest, image in missing.items():
            with suppress(BadImage):
                read[digest] = read_patches(image.path, self._loaded.image_processor)
        if read:
            self._see(read)

    def get(self, image: LocalBlob) -> VisionFeatures:
        """One pass of the tower at most; raises BadImage."""
        if kept := self._kept.get(image.digest):
            return kept
        [seen] = self._see({image.digest: read_patches(image.path, self._loaded.image_processor)})
        return seen

    def _see(self, patches: Mapping[str, Patches]) -> list[VisionFeatures]:
        """By digest; keeps what it makes."""
        pixels = torch.cat([one.pixel_values for one in patches.values()])
        grids = torch.cat([one.grid_thw for one in patches.values()])
        features = self._tower(pixels.to(self._loaded.device), grids)
        seen = [
            VisionFeatures(features=tokens, grid_thw=one.grid_thw)
            for tokens, one in zip(features, patches.values(), strict=True)
        ]
        for digest, one in zip(patches, seen, strict=True):
            self._kept[digest] = one
        return seen
