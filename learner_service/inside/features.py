"""The vision features that a policy has anyway, for the engine that samples from it."""

from collections.abc import Mapping, Sequence

import torch
from PIL import Image

from learner_service.policy.policy import Policy
from tally.host.bounded_cache import BoundedCache
from tally.host.lookups import Lookups
from tally.sampling.engine import LocalBlob
from tally.sampling.images import read_image
from tally.torch_engine.vision import VisionFeatures

_MOST_KNOWN_SIZES = 100_000


class PolicyFeatures:
    """An image goes through the tower once, whoever asks first: the engine or the learner.

    The engine asks for each by itself: the last bits of features that are made together depend on
    which, and these on who is in line.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._grid = policy.image_grid
        self._sizes = BoundedCache[str, tuple[int, int]](_MOST_KNOWN_SIZES)  # by digest, in pixels

    @property
    def lookups(self) -> Mapping[str, Lookups]:
        return {}

    def prepare(self, images: Sequence[LocalBlob]) -> None:
        """Each is made when it is asked for."""

    def get(self, image: LocalBlob) -> VisionFeatures:
        """Raises BadImage."""
        # What is made within inference mode is of no use to who learns.
        with torch.inference_mode(mode=False):
            [features] = self._policy.features([image.digest], lambda _: self._read(image))
        return VisionFeatures(features=features, size=self._grid.patches(*self._size(image)))

    def _read(self, image: LocalBlob) -> Image.Image:
        picture = read_image(image.path, self._grid)
        self._sizes[image.digest] = picture.size
        return picture

    def _size(self, image: LocalBlob) -> tuple[int, int]:
        if (known := self._sizes.get(image.digest)) is not None:
            return known
        with Image.open(image.path) as picture:
            self._sizes[image.digest] = picture.size
            return picture.size
