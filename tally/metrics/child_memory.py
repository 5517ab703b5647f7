"""Memory of the processes that this one has started: workers, and vLLM's own."""

import os
from collections.abc import Iterator
from pathlib import Path


def children_bytes() -> int:
    """What they hold in memory, and what theirs hold in turn; where Linux tells who they are."""
    pages = sum(_resident_pages(pid) for pid in _descendants(os.getpid()))
    return pages * os.sysconf("SC_PAGE_SIZE")


def _descendants(pid: int) -> Iterator[int]:
    """Each thread of a process has a list of what it started."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, _read(children).split()):
            yield child
            yield from _descendants(child)


def _resident_pages(pid: int) -> int:
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) if fields else 0


def _read(path: Path) -> str:
    """Nothing of a process that has ended meanwhile."""
    try:
        return path.read_text()
    except OSError:
        return ""
