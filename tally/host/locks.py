"""Locks on files and folders, which the kernel drops when their holder ends (flock)."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class InUse(Exception):
    """Another process holds the lock."""


def try_lock(file: IO[bytes] | IO[str] | int) -> bool:
    """Locks an open file or folder for its holder alone; False where another holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock(file: IO[bytes] | IO[str] | int) -> None:
    """Locks an open file for its holder alone; waits for whoever holds it."""
    fcntl.flock(file, fcntl.LOCK_EX)


def share(file: IO[bytes] | IO[str] | int) -> None:
    """Locks an open file together with others that share it; waits for one that holds it alone."""
    fcntl.flock(file, fcntl.LOCK_SH)


def lock_file(path: Path) -> IO[bytes]:
    """Makes and locks a file until it is closed. Raises InUse."""
    lock = path.open("ab")
    if not try_lock(lock):
        lock.close()
        raise InUse(path)
    return lock


def lock_folder(folder: Path) -> int | None:
    """The open descriptor that locks the folder; None where it is gone, held, or another user's."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    state = os.fstat(descriptor)
    # A folder that its remover held has no name any more once the lock can be had.
    if state.st_uid == os.getuid() and try_lock(descriptor) and os.fstat(descriptor).st_nlink:
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Makes `folder` and holds it against every other process that does so. Raises InUse."""
    folder.mkdir(parents=True, exist_ok=True)
    with lock_file(folder / ".lock"):
        yield


@contextmanager
def hold_or_exit(folder: Path, sentence: str) -> Iterator[None]:
    """As `hold`, but ends the process with `sentence` where another holds the folder."""
    try:
        with hold(folder):
            yield
    except InUse:
        sys.exit(sentence)
