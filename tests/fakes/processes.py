"""Questions to ask about processes."""

from pathlib import Path


def alive(pid: int) -> bool:
    """Not one that has ended and only waits for a parent that asks."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
