"""How much memory a process may use: the machine's, or its container's limit. In bytes."""

import os
from pathlib import Path

_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def total_bytes() -> int:
    """What the machine has, or what the container may take of it."""
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_limits()])


def available_bytes() -> int:
    """What is free for new use on the machine, or the container's limit where that is less."""
    return min([_free_bytes(), *_limits()])


def memory_kills() -> int | None:
    """How many processes Linux has ended since it started, for want of memory, of all containers;
    None where it does not say."""
    counters = Path("/proc/vmstat")
    for line in counters.read_text().splitlines() if counters.is_file() else []:
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return None


def _limits() -> list[int]:
    texts = [path.read_text().strip() for path in _LIMITS if path.is_file()]
    return [int(text) for text in texts if text.isdigit()]


def _free_bytes() -> int:
    meminfo = Path("/proc/meminfo")
    for line in meminfo.read_text().splitlines() if meminfo.is_file() else []:
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return 0
