"""Vision features of images, kept: the tower is frozen, so its output never changes."""

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor


class FeatureCache:
    """The most recently used features, at most `max_bytes` of them, by image digest."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._features: OrderedDict[str, Tensor] = OrderedDict()

    def get(self, digest: str, compute: Callable[[], Tensor]) -> Tensor:
        """The features of the image, [image tokens, H]; computed where they are not kept."""
        features = self._features.get(digest)
        if features is not None:
            self._features.move_to_end(digest)
            return features
        features = compute()
        self._keep(digest, features)
        return features

    def _keep(self, digest: str, features: Tensor) -> None:
        self._features[digest] = features
        self._bytes += features.nbytes
        while self._bytes > self._max_bytes and self._features:
            _, evicted = self._features.popitem(last=False)
            self._bytes -= evicted.nbytes
