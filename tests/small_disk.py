"""A real file system of a few megabytes, to be filled and emptied."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """Mounted at `path`."""

    path: Path

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    def fill(self, free_bytes: int = 0) -> None:
        """Leaves as much free, rounded up to a page; of an earlier filling nothing stays."""
        self.empty()
        page = os.sysconf("SC_PAGE_SIZE")
        size_bytes = (self.free_bytes - free_bytes) // page * page
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(size_bytes, 1))

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"


@contextmanager
def small_disk(path: Path, megabytes: int = 64) -> Iterator[SmallDisk]:
    path.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount a file system can fill one")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
