"""Which attempt at a job may change what lies in its folder: the newest, and no other.

An attempt is one worker with its ranks. The guards of learner_service/worker/start.py let no second
one begin; this holds even where they don't: whoever writes looks first, and an attempt that others
came after writes nothing any more.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from learner_service.errors import Superseded
from tally.host.locks import lock, share

_DIGITS = 10
_LATER = "a later attempt at this job has begun"


class Fence:
    """The number of the newest attempt, in the file at `path`; there has been none without it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def newest(self) -> int:
        return int(self._path.read_text() or 0) if self._path.exists() else 0

    def advance(self) -> int:
        """The number of a new attempt; whoever writes now has come to the end of it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            lock(descriptor)
            number = _read(descriptor) + 1
            # One write in place of the same length: it is there or it is not.
            os.pwrite(descriptor, f"{number:0{_DIGITS}}".encode(), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return number

    @contextmanager
    def hold(self, attempt: int) -> Iterator[None]:
        """No later attempt begins while the context is open. Raises Superseded where one has."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:  # there has been no attempt that others could come after
            yield
            return
        try:
            share(descriptor)
            if _read(descriptor) != attempt:
                raise Superseded(_LATER)
            yield
        finally:
            os.close(descriptor)


class Attempt:
    """One attempt at a job, for those who write for it."""

    def __init__(self, fence: Fence, number: int) -> None:
        self._fence = fence
        self.number = number

    def check(self) -> None:
        """A look, for what changes nothing in the folder. Raises Superseded."""
        if self._fence.newest > self.number:
            raise Superseded(_LATER)

    @contextmanager
    def write(self) -> Iterator[None]:
        """For every change of the job's folder and of its adapters. Raises Superseded."""
        with self._fence.hold(self.number):
            yield


def _read(descriptor: int) -> int:
    return int(os.pread(descriptor, _DIGITS, 0) or 0)
