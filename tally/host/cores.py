"""The cores that a process runs on, and those that idle (Linux)."""

import os
from pathlib import Path

_TIMES = Path("/proc/stat")


def keep_to(cores: int) -> None:
    """Runs this process, and what it starts from here on, on the last `cores` of those that it may
    use; elsewhere than on Linux on all of them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


def idle_seconds() -> float:
    """What all cores of the machine have idled together since it started; 0 elsewhere."""
    if not _TIMES.exists():
        return 0.0
    with _TIMES.open() as file:
        ticks = file.readline().split()[1:]
    return (int(ticks[3]) + int(ticks[4])) / os.sysconf("SC_CLK_TCK")
