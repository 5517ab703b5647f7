"""`python -m tally.database.backup FILE COPY`: copies a SQLite file, whole, while it is in use."""

import argparse
import os
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path


class BackupFailed(Exception):
    """The message says what would be right."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Exits with 1 and a sentence where it can't be done."""
    parser = argparse.ArgumentParser("python -m tally.database.backup", description=__doc__)
    parser.add_argument("file", type=Path, help="the database, such as gateway.sqlite3")
    parser.add_argument("copy", type=Path, help="where the copy is to be; nothing may be there")
    options = parser.parse_args(arguments)
    try:
        back_up(options.file, options.copy)
    except (BackupFailed, OSError, sqlite3.Error) as error:
        sys.exit(str(error))


def back_up(file: Path, copy: Path) -> None:
    """Leaves at `copy` what `file` held at one moment, or nothing. Raises BackupFailed."""
    if not file.is_file():
        raise BackupFailed(f"there is no {file.name}; name the SQLite file of a service")
    if copy.exists():
        raise BackupFailed(f"{copy.name} is there already; choose another name")
    copy.parent.mkdir(parents=True, exist_ok=True)
    staged = copy.with_name(f"{copy.name}.staged")
    staged.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True)) as source:
            source.execute("VACUUM INTO ?", (str(staged),))
        with staged.open("rb") as written:
            os.fsync(written.fileno())
        staged.replace(copy)
    finally:
        staged.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
