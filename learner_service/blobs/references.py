"""Who needs a blob: equal bytes are one blob, which goes when the last of its owners lets it go.

A reference is an empty file `<digest>.<owner>`, in a folder per first two digits, which stays: to
remove one takes some file systems milliseconds. They are made anew at every start of the service
from what the jobs' folders and rows say, so nothing hangs on them but what is deleted meanwhile.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tally.host.locks import lock


class References:
    """Those under `root`; changed by several processes at once, one at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._root.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Only for a start, when there are no other processes."""
        for folder in self._root.iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Nobody else changes a reference, or deletes for want of one, until the context ends."""
        with (self._root / ".lock").open("ab") as file:
            lock(file)
            yield

    def digests(self) -> set[str]:
        """Those that somebody needs."""
        return {path.name.partition(".")[0] for path in self._root.glob("??/*")}

    def add(self, digest: str, owner: str) -> None:
        folder = self._folder(digest)
        folder.mkdir(exist_ok=True)
        (folder / f"{digest}.{owner}").touch()

    def remove(self, digest: str, owner: str) -> bool:
        """Whether nobody is left."""
        folder = self._folder(digest)
        (folder / f"{digest}.{owner}").unlink(missing_ok=True)
        return not (folder.is_dir() and _names_any(folder, f"{digest}."))

    def _folder(self, digest: str) -> Path:
        return self._root / digest[:2]


def _names_any(folder: Path, prefix: str) -> bool:
    with os.scandir(folder) as entries:
        return any(entry.name.startswith(prefix) for entry in entries)
