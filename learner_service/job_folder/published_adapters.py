"""Which adapters of a job are in the blob store, in a file: a killed worker leaves none behind."""

from collections.abc import Collection, Sequence
from pathlib import Path

from tally.host.whole_file import write_whole


class PublishedAdapters:
    """Their digests, the oldest first, one a line of the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def owner(self) -> str:
        """The job's id, by which the blob store knows who needs an adapter."""
        return self._path.parent.name

    def digests(self) -> list[str]:
        return self._path.read_text().split() if self._path.exists() else []

    @property
    def last(self) -> str | None:
        """The newest one; None where there is none yet."""
        return next(reversed(self.digests()), None)

    def add(self, digest: str) -> None:
        """Makes it the newest, also where it was there before."""
        self._write([*(one for one in self.digests() if one != digest), digest])

    def forget(self, digests: Collection[str]) -> None:
        self._write([one for one in self.digests() if one not in digests])

    def _write(self, digests: Sequence[str]) -> None:
        # Once a step: an adapter whose line a failure of the machine takes is published anew.
        write_whole(self._path, "\n".join(digests), sync=False)
