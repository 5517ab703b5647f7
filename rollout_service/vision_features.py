"""What the vision tower makes of an image, kept: no adapter reaches the tower."""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor

from rollout_service.engine import LocalBlob
from rollout_service.images import read_patches
from rollout_service.model_family import LoadedModel


@dataclass(frozen=True, kw_only=True)
class VisionFeatures:
    """`features` [image tokens, H] on the model's device; `grid_thw` [1, 3] on the CPU."""

    features: Tensor
    grid_thw: Tensor


class VisionCache:
    """Features by image digest, at most `max_bytes` of them, the least recently used out first."""

    def __init__(self, loaded: LoadedModel, max_bytes: int) -> None:
        self._loaded = loaded
        self._max_bytes = max_bytes
        self._used_bytes = 0
        self._kept: OrderedDict[str, VisionFeatures] = OrderedDict()

    def get(self, image: LocalBlob) -> VisionFeatures:
        """One pass of the tower at most; raises BadImage."""
        if image.digest in self._kept:
            self._kept.move_to_end(image.digest)
            return self._kept[image.digest]
        computed = self._computed(image)
        self._kept[image.digest] = computed
        self._used_bytes += computed.features.nbytes
        while self._used_bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._used_bytes -= oldest.features.nbytes
        return computed

    def _computed(self, image: LocalBlob) -> VisionFeatures:
        patches = read_patches(image.path, self._loaded.image_processor)
        device = self._loaded.device
        output = self._loaded.model.model.get_image_features(
            patches.pixel_values.to(device), patches.grid_thw.to(device)
        )
        return VisionFeatures(features=output.pooler_output[0], grid_thw=patches.grid_thw)
