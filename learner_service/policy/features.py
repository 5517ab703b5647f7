"""Vision features of images, kept: the tower is frozen, so its output never changes.

In memory as long as there is room, and in a folder, so that what memory has no room for, and what
an earlier worker or job computed, need not be computed again. Whoever can't write goes on without.
"""

import hashlib
import json
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tally.host.bounded_cache import BoundedCache

logger = logging.getLogger(__name__)
_NAME = "features"


class FeatureCache:
    """The most recently used features by image digest, on the CPU; for several threads at once, of
    which one computes what another asks for, too."""

    def __init__(self, max_bytes: int, folder: "FeatureFolder | None" = None) -> None:
        self._features = BoundedCache[str, Tensor](max_bytes, lambda features: features.nbytes)
        self._folder = folder
        self._lock = threading.Lock()

    def get(
        self, digests: Sequence[str], compute: Callable[[list[str]], Iterable[Tensor]]
    ) -> list[Tensor]:
        """Each image's features, one row a token; `compute` makes those not kept."""
        with self._lock:
            return self._get(digests, compute)

    def _get(
        self, digests: Sequence[str], compute: Callable[[list[str]], Iterable[Tensor]]
    ) -> list[Tensor]:
        kept = {digest: self._find(digest) for digest in dict.fromkeys(digests)}
        found = {digest: features for digest, features in kept.items() if features is not None}
        missing = [digest for digest in kept if digest not in found]
        for digest, features in zip(missing, compute(missing), strict=True):
            found[digest] = features.cpu()
            if self._folder:
                self._folder.write(digest, found[digest])
            self._features[digest] = found[digest]
        return [found[digest] for digest in digests]

    def forget(self) -> None:
        """Empties the memory, not the folder."""
        with self._lock:
            self._features.clear()

    def _find(self, digest: str) -> Tensor | None:
        features = self._features.get(digest)
        if features is None and self._folder:
            features = self._folder.read(digest)
            if features is not None:
                self._features[digest] = features
        return features


class FeatureFolder:
    """Features as files under `root`, at most `max_bytes` of them, for one `fingerprint`.

    Those of other fingerprints (another tower, precision or processor) make room first. Several
    processes may share `root`: a file appears whole, and one that has gone is computed again.
    """

    def __init__(self, root: Path, max_bytes: int, fingerprint: str) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._folder = root / fingerprint
        self._bytes = sum(size for _, size, _ in self._entries())
        self._trim()

    def read(self, digest: str) -> Tensor | None:
        """None where there is no such file, or a damaged one."""
        path = self._path(digest)
        try:
            features = load_file(path)[_NAME]
            os.utime(path)
        except (OSError, SafetensorError, KeyError):
            return None
        return features

    def write(self, digest: str, features: Tensor) -> None:
        if features.nbytes > self._max_bytes:
            return
        staged = self._folder / f"{uuid.uuid4().hex}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            save_file({_NAME: features.contiguous()}, staged)
            self._bytes += staged.stat().st_size
            staged.rename(self._path(digest))
        except (OSError, SafetensorError) as error:
            logger.warning("vision features are not kept on disk: %s", error)
            with suppress(OSError):
                staged.unlink()
        self._trim()

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest.replace(':', '-')}.safetensors"

    def _files(self) -> list[Path]:
        return [path for path in self._root.glob("*/*") if path.is_file()]

    def _trim(self) -> None:
        """Down to nine tenths, so that not every later write has to look at all files again."""
        if self._bytes <= self._max_bytes:
            return
        aged = sorted(
            self._entries(), key=lambda entry: (entry[2].parent == self._folder, entry[0])
        )
        self._bytes = sum(size for _, size, _ in aged)
        for _, size, path in aged:
            if self._bytes <= self._max_bytes * 9 // 10:
                break
            path.unlink(missing_ok=True)
            self._bytes -= size

    def _entries(self) -> list[tuple[float, int, Path]]:
        """Time of last use, size and path of every file that is still there."""
        entries = []
        for path in self._files():
            try:
                entries.append((path.stat().st_mtime, path.stat().st_size, path))
            except FileNotFoundError:
                continue
        return entries


def tower_fingerprint(tower: nn.Module, settings: Mapping[str, object]) -> str:
    """Equal for equal weights, precision and `settings` (the processor's and configuration's)."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(tower.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:32]
