"""Which adapters of a job are in the blob store, in a file: a killed worker leaves none behind."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from tally.host.whole_file import write_whole

_LINE = re.compile(r"(?P<digest>[\w-]+)(?: (?P<kept>\d+))?")
_MOST_LINES = 64


class PublishedAdapters:
    """Their digests, the oldest first: a line of the file at `path` makes one the newest, and may
    say how many stay. A line goes to its end once a step; the file is written anew now and then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def digests(self) -> list[str]:
        return _digests_of(self._text())

    @property
    def last(self) -> str | None:
        """The newest one; None where there is none yet."""
        return next(reversed(self.digests()), None)

    def add(self, digest: str, kept: int | None = None) -> list[str]:
        """Makes it the newest, also where it was there before; returns those that are not listed
        any more, where only the newest `kept` are to be."""
        text = self._text()
        before = _digests_of(text)
        digests = _with_newest(before, digest, kept)
        # A whole line goes to the end of whole lines, of which there are not too many.
        if text[-1:] in ("", "\n") and text.count("\n") < _MOST_LINES:
            with self._path.open("a") as file:
                file.write(f"{digest} {kept}\n" if kept else f"{digest}\n")
        else:
            self._write(digests)
        return [one for one in before if one not in digests]

    def forget(self, digests: Collection[str]) -> None:
        self._write([one for one in self.digests() if one not in digests])

    def _text(self) -> str:
        return self._path.read_text() if self._path.exists() else ""

    def _write(self, digests: Sequence[str]) -> None:
        # An adapter whose line a failure of the machine takes is published anew.
        write_whole(self._path, "".join(f"{one}\n" for one in digests), sync=False)


def _digests_of(text: str) -> list[str]:
    digests = list[str]()
    for found in map(_LINE.fullmatch, text.splitlines()):
        if found:  # a failure of the machine may leave a piece of one
            digests = _with_newest(digests, found["digest"], int(found["kept"] or 0))
    return digests


def _with_newest(digests: Sequence[str], digest: str, kept: int | None) -> list[str]:
    newest = [*(one for one in digests if one != digest), digest]
    return newest[-kept:] if kept else newest
