"""Where fetched blobs are kept: in memory-backed storage where it has room, else on disk.

A folder made here is locked by its process. The kernel lets go of the lock when the process ends,
however it ends; the next start on the machine removes every folder that nobody holds.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollout_service.settings import RolloutSettings
from tally.host.locks import lock_folder
from tally.host.memory import available_bytes

_log = logging.getLogger(__name__)
MEMORY_FOLDER = Path("/dev/shm")
_PREFIX = "tally-replica-"
_LEAST_BYTES = 1024**3  # three adapters of a 7B model at rank 64, and images


@contextmanager
def place_cache(
    settings: RolloutSettings, memory_folder: Path = MEMORY_FOLDER
) -> Iterator[tuple[RolloutSettings, Path]]:
    """`settings` with the cache's folder and the bound that it can keep, and the folder itself.

    The folder goes with the context. A `cache_dir` that is set stays as it is.
    """
    if settings.cache_dir is not None:
        yield settings, settings.cache_dir
        return
    disk_folder = Path(tempfile.gettempdir())
    for parent in {memory_folder, disk_folder}:
        sweep(parent)
    parent, max_bytes = memory_folder, _memory_bound(settings, memory_folder)
    if not max_bytes:
        parent, max_bytes = disk_folder, settings.cache_bytes
    with _own_folder(parent) as folder:
        _log.info("at most %d MiB of blobs in %s", max_bytes // 1024**2, folder)
        yield settings.model_copy(update={"cache_dir": folder, "cache_bytes": max_bytes}), folder


def sweep(parent: Path) -> None:
    """Removes this user's cache folders whose process has ended."""
    for path in parent.glob(f"{_PREFIX}*"):
        descriptor = lock_folder(path)
        if descriptor is None:
            continue
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)
        _log.info("removed the cache folder of a process that has ended: %s", path)


def _memory_bound(settings: RolloutSettings, folder: Path) -> int:
    """How much of `folder` the cache may fill, in bytes; 0 where that would be too little.

    Half of what is free there leaves room for the engine's own shared memory; a quarter of the
    memory leaves the rest to the model, which is loaded later.
    """
    if not settings.cache_in_memory or not os.access(folder, os.W_OK | os.X_OK):
        return 0
    room_bytes = min(shutil.disk_usage(folder).free // 2, available_bytes() // 4)
    bound = min(settings.cache_bytes, room_bytes)
    return bound if bound >= min(settings.cache_bytes, _LEAST_BYTES) else 0


@contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    """A new folder that is locked; one that a sweep took before it was locked is given up."""
    descriptor = None
    while descriptor is None:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        descriptor = lock_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
