"""How far a process's memory grows."""

from pathlib import Path


class MemoryGrowth:
    """Peak resident memory of this process beyond what it had at the start, in bytes.

    Linux's VmHWM, reset beforehand: memory that is mapped counts, the page cache and files in
    memory-backed storage do not.
    """

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _status_bytes("VmRSS")

    def bytes(self) -> int:
        return max(0, _status_bytes("VmHWM") - self._before)


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the kernel does not tell {field}")
