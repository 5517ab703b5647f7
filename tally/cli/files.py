"""Files that commands write: whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tally.cli.errors import CliError


def make_folder(path: Path) -> None:
    """Raises CliError where it can't be made."""
    with _name_in_errors(path):
        path.mkdir(parents=True, exist_ok=True)


def write_file(path: Path, content: bytes) -> None:
    """Raises CliError where it can't be written; what stood there then still stands."""
    make_folder(path.parent)
    partial = path.with_name(f"{path.name}.part")
    with _name_in_errors(path):
        partial.write_bytes(content)
        partial.replace(path)


@contextmanager
def _name_in_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CliError(f"{path} can't be written: {error.strerror}") from error
