"""The cores that a process runs on (Linux)."""

import os


def keep_to(cores: int) -> None:
    """Runs this process, and what it starts from here on, on the last `cores` of those that it may
    use; elsewhere than on Linux on all of them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
