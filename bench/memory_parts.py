"""What of a process is resident: its own, and pages of files, libraries apart (Linux)."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_CODE = re.compile(r"\.so(\.|$)|/bin/")
_PACKAGE = re.compile(r"/(?:site|dist)-packages/([\w-]+?)(?:\.libs)?/")
_HEADER_FIELDS = 5  # of a mapping, before its path


@dataclass(frozen=True, kw_only=True)
class MemoryParts:
    """Bytes. Pages that several processes have mapped are shared out among them.

    `own` is what no file holds; `code` are pages of libraries, by the package that brought them,
    `files` those of what else is mapped: weights that are held as they are stored.
    """

    own: int = 0
    files: int = 0
    code: Counter[str] = field(default_factory=Counter)

    @property
    def whole(self) -> int:
        return self.own + self.files + self.code.total()

    def __add__(self, other: "MemoryParts") -> "MemoryParts":
        return MemoryParts(
            own=self.own + other.own,
            files=self.files + other.files,
            code=self.code + other.code,
        )


def memory_parts(pid: int | str = "self") -> MemoryParts:
    """All pages are walked through. Raises OSError where there is no such process."""
    own, files, code = 0, 0, Counter[str]()
    for path, size_bytes in _mappings(Path(f"/proc/{pid}/smaps").read_text().splitlines()):
        if not path.startswith("/") or path.startswith(("/dev/", "/memfd:")):
            own += size_bytes
        elif _CODE.search(path):
            code[_package_of(path)] += size_bytes
        else:
            files += size_bytes
    return MemoryParts(own=own, files=files, code=code)


def _package_of(path: str) -> str:
    found = _PACKAGE.search(path)
    return found[1] if found else "the system"


def _mappings(lines: Iterable[str]) -> Iterator[tuple[str, int]]:
    """The path of each, empty where there is none, and its bytes."""
    path = ""
    for line in lines:
        if not line[0].isupper():  # an address
            fields = line.split(maxsplit=_HEADER_FIELDS)
            path = fields[_HEADER_FIELDS] if len(fields) > _HEADER_FIELDS else ""
        elif line.startswith("Pss:"):
            yield path, int(line.split()[1]) * 1024
