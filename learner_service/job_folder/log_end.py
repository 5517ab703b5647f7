"""The end of what a job's workers printed, as lines that can be shown anywhere."""

from pathlib import Path

from tally.rpc.errors import InvalidArgument
from tally.text.sinks import to_terminal

DEFAULT_LINES = 200
_MOST_LINES = 10_000
_MOST_BYTES = 1024**2


def last_lines(path: Path, most: int) -> str:
    """The last `most` lines of the file, of its last MiB; empty where there is none.

    Of a line that was written over, such as a progress bar, what was to be seen at the end. Raises
    InvalidArgument for a `most` out of range.
    """
    if not 1 <= most <= _MOST_LINES:
        raise InvalidArgument(f"max_lines: expected 1 to {_MOST_LINES}")
    lines = _read_end(path).decode(errors="replace").split("\n")
    shown = [line for line in lines if line.strip()][-most:]
    return "".join(f"{_as_seen(line)}\n" for line in shown)


def _read_end(path: Path) -> bytes:
    """Whole lines, unless one is longer than all that is read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _MOST_BYTES))
            data = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return b""
    whole_lines = data.partition(b"\n")[2]
    return whole_lines if size > _MOST_BYTES and whole_lines else data


def _as_seen(line: str) -> str:
    return to_terminal(line.rstrip("\r").rpartition("\r")[2])
