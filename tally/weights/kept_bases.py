"""Bases that were quantised once, kept as files: the next process loads them in seconds.

A file holds the weights of one base as they are held in memory. It is written under another name
and renamed, so that it appears whole. Several processes may share the folder. Whoever can't write
goes on without.
"""

import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from huggingface_hub import constants
from torch import Tensor

from tally.host.locks import try_lock
from tally.weights.safetensors_file import StoredTensor, read_tensors, verify, write_tensors

_log = logging.getLogger(__name__)
_KEPT = ".safetensors"
_PART = ".part"
_POLL_SECONDS = 0.2
# Longer than the largest base takes; a holder that hangs stops nobody for good.
_MOST_WAIT_SECONDS = 3600
# What an interrupted writer has left is removed after this time.
_STALE_SECONDS = 24 * 3600


def default_folder() -> Path:
    """Beside the cache of downloaded models, so that who shares that shares this."""
    return Path(constants.HF_HOME) / "tally" / "4bit"


class KeptBases:
    """At most `max_bytes` in `folder`; the base that was least recently used goes first."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def find(self, fingerprint: str) -> dict[str, StoredTensor] | None:
        """The tensors of a base; None where it isn't kept. A damaged one is removed."""
        path = self._path(fingerprint)
        try:
            verify(path)
            os.utime(path)
            return read_tensors(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("a base kept in 4 bits is passed over: %s", error)
            with suppress(OSError):
                path.unlink()
            return None

    def keep(self, fingerprint: str, tensors: Mapping[str, tuple[Tensor, torch.dtype]]) -> None:
        """Writes each tensor in the dtype beside it."""
        size = sum(tensor.numel() * dtype.itemsize for tensor, dtype in tensors.values())
        staged = self._folder / f"{uuid.uuid4().hex}{_PART}"
        try:
            self._make_room(size)
            with staged.open("xb") as file:
                write_tensors(file, tensors)
                file.flush()
                os.fsync(file.fileno())
            staged.rename(self._path(fingerprint))
        except OSError as error:
            _log.warning("a base in 4 bits is not kept: %s", error)
            with suppress(OSError):
                staged.unlink()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Waits until nobody else quantises, so that one does it for all who share the folder."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = (self._folder / ".lock").open("ab")
        except OSError:  # nothing can be kept here, so there is nothing to wait for
            yield
            return
        with lock:
            _wait_for(lock.fileno())
            yield

    def _path(self, fingerprint: str) -> Path:
        return self._folder / f"{fingerprint}{_KEPT}"

    def _make_room(self, size: int) -> None:
        """Raises OSError for a base that there is no room for, or hardly any on the disk."""
        if size > self._max_bytes:
            raise OSError(f"it takes {size} bytes, and all may take {self._max_bytes}")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._remove_parts()
        aged = sorted(self._entries())
        held = sum(entry_bytes for _, entry_bytes, _ in aged)
        for _, entry_bytes, path in aged:
            if held + size <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            held -= entry_bytes
        # As much again stays free for whoever else writes to this disk.
        if shutil.disk_usage(self._folder).free < 2 * size:
            raise OSError(f"the disk has hardly room for its {size} bytes")

    def _entries(self) -> list[tuple[float, int, Path]]:
        """Time of last use, size and path of every base."""
        entries = []
        for path in self._folder.glob(f"*{_KEPT}"):
            with suppress(FileNotFoundError):
                state = path.stat()
                entries.append((state.st_mtime, state.st_size, path))
        return entries

    def _remove_parts(self) -> None:
        for path in self._folder.glob(f"*{_PART}"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()


def _wait_for(lock: int) -> None:
    deadline = time.monotonic() + _MOST_WAIT_SECONDS
    with suppress(OSError):  # a file system without locks
        while not try_lock(lock) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
