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
    with in_its_place(path) as partial:
        partial.write_bytes(content)


@contextmanager
def in_its_place(path: Path) -> Iterator[Path]:
    """What is written there comes to `path` at the end, and is gone where that fails.

    Raises CliError where it can't be written.
    """
    make_folder(path.parent)
    partial = path.with_name(f"{path.name}.part")
    with _name_in_errors(path):
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _name_in_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CliError(f"{path} can't be written: {error.strerror}") from error
