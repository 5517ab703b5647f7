"""Files that are as they were or as they were to become, whenever their writer is killed."""

import os
import shutil
from pathlib import Path


def write_whole(path: Path, text: str, *, sync: bool = True) -> None:
    """Puts a file with `text` in the place of what is there.

    Without `sync` a failure of the machine, not of the process, may leave it empty.
    """
    staged = path.with_name(f"{path.name}.staged")
    try:
        with staged.open("w") as file:
            file.write(text)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Returns once what a file or a folder holds survives a failure of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_or_copy(path: Path, place: Path) -> None:
    """Nothing is copied where both lie on one disk."""
    try:
        os.link(path, place)
    except OSError:
        shutil.copyfile(path, place)
