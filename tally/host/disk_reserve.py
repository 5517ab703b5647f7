"""Room on a disk that is kept for when it is full: what frees room needs some to be noted."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

SIZE_BYTES = 4 * 1024**2
# A disk with less than this many times the reserve is about to be full.
_LEAST_FREE = 4


class DiskReserve:
    """A file at `path` that has nothing in it but room."""

    def __init__(self, path: Path, size_bytes: int = SIZE_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def fill(self) -> None:
        """Makes the file, unless it is there or the disk is about to be full."""
        if self._path.exists():
            return
        if shutil.disk_usage(self._path.parent).free < _LEAST_FREE * self._size_bytes:
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._size_bytes)
        except OSError:
            self._path.unlink()
        finally:
            os.close(descriptor)

    def give_up(self) -> bool:
        """Frees the room; False where there was none."""
        with suppress(FileNotFoundError):
            self._path.unlink()
            return True
        return False
