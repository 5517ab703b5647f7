"""What the kernel says of processes: their memory, their time, what they have started (Linux)."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_MODULE = re.compile(r"-m\0([\w.]+)")


def memory_sizes(pid: int | str = "self") -> dict[str, int]:
    """VmRSS and its kind, in bytes. Raises OSError; one that waits to be reaped has none."""
    return _sizes(Path(f"/proc/{pid}/status"))


def restart_peak(pid: int | str = "self") -> None:
    """VmHWM is the most from here on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def resident_bytes(pid: int | str = "self") -> int:
    """Memory of a process that is in RAM."""
    return memory_sizes(pid)["VmRSS"]


def cpu_seconds(pid: int) -> float:
    """What a process and all its threads have computed so far."""
    return seconds_of(_cpu_ticks(pid)[:2])


def cpu_seconds_with_ended(pid: int) -> float:
    """With what those that it started, and that have ended, computed; 0 where it is gone."""
    with suppress(OSError):
        return seconds_of(_cpu_ticks(pid))
    return 0.0


def seconds_of(ticks: Iterable[str]) -> float:
    """Of the kernel's clock ticks, as its files have them."""
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _cpu_ticks(pid: int) -> list[str]:
    """In user code and in the kernel, then the same of ended children."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:15]


def started_by(pid: int) -> Iterator[int]:
    """The processes that this one has started, each before those that it started in turn."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text().split()):
                yield child
                yield from started_by(child)


def module_of(pid: int) -> str:
    """What follows the last `-m` of its command line; empty where there is none."""
    found = _MODULE.findall(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))
    return found[-1] if found else ""


def _sizes(path: Path) -> dict[str, int]:
    """Lines such as `VmRSS:  1234 kB`, in bytes."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", path.read_text(), re.MULTILINE)
    return {name: int(size) * 1024 for name, size in found}
