"""The files that data lies in: a folder, or a ZIP."""

import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol

from tally.cli.errors import CliError


class Files(Protocol):
    """Regular files by their names, with slashes and relative to where the data lies."""

    names: Collection[str]

    def read(self, name: str) -> bytes:
        """The bytes of one of `names`; raises CliError where it can't be read."""
        ...


class Folder:
    """What lies in a folder, however deep; links are not followed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        files = (file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
        self.names: Collection[str] = _leave_out(
            file.relative_to(path).as_posix() for file in files
        )

    def read(self, name: str) -> bytes:
        try:
            return (self._path / name).read_bytes()
        except OSError as error:
            raise CliError(f"{name} can't be read: {error.strerror}") from error


class ZipFiles:
    """What a ZIP holds."""

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise CliError(f"{path} is no whole ZIP.") from error
        entries = self._archive.infolist()
        self.names: Collection[str] = _leave_out(
            entry.filename for entry in entries if not entry.is_dir()
        )

    def read(self, name: str) -> bytes:
        try:
            return self._archive.read(name)
        except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
            raise CliError(f"{name} can't be read: it is damaged or encrypted.") from error


def open_files(path: Path) -> Files:
    """Raises CliError for a file that is no ZIP."""
    return Folder(path) if path.is_dir() else ZipFiles(path)


def _leave_out(names: Iterable[str]) -> frozenset[str]:
    """Without hidden files and what macOS adds."""
    return frozenset(name for name in names if not any(map(_is_left_out, name.split("/"))))


def _is_left_out(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"
