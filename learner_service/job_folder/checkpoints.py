"""Checkpoints that are whole or not there: staged, checksummed, synced, renamed.

A checkpoint is a folder `checkpoint-<step>` with a manifest of the SHA-256 of every other file.
The rename is the last thing that happens, so a kill at any moment leaves the earlier ones whole.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from tally.host.whole_file import sync
from tally.rpc.digests import digest_of_file

MANIFEST = "manifest.json"
_PREFIX = "checkpoint-"


class _Manifest(BaseModel):
    """Digests by the names of files."""

    files: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class FoundCheckpoint:
    """The last whole checkpoint (None where there is none) and the broken ones after it."""

    path: Path | None
    step: int
    broken: tuple[str, ...]


def checkpoint_name(step: int) -> str:
    """As transformers calls it."""
    return f"{_PREFIX}{step}"


class Checkpoints:
    """Those of one job, in the folder at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def path_of(self, step: int) -> Path:
        return self.path / checkpoint_name(step)

    def commit(self, staged: Path) -> Path:
        """Moves the staged folder here under its own name; returns where it is now."""
        files = {path.name: digest_of_file(path) for path in sorted(staged.iterdir())}
        (staged / MANIFEST).write_text(_Manifest(files=files).model_dump_json(indent=1))
        for path in staged.iterdir():
            sync(path)
        sync(staged)
        self.path.mkdir(parents=True, exist_ok=True)
        place = self.path / staged.name
        if place.exists():
            shutil.rmtree(place)
        os.replace(staged, place)
        sync(self.path)
        return place

    def files_of(self, step: int) -> list[Path]:
        """Those of a checkpoint, without the manifest, which `commit` writes."""
        return sorted(path for path in self.path_of(step).iterdir() if path.name != MANIFEST)

    def find_last(self) -> FoundCheckpoint:
        """Looks from the newest back for one whose every file is as it was written."""
        broken: list[str] = []
        for path in self._newest_first():
            if _is_whole(path):
                return FoundCheckpoint(path=path, step=step_of(path), broken=tuple(broken))
            broken.append(path.name)
        return FoundCheckpoint(path=None, step=0, broken=tuple(broken))

    @property
    def newest_step(self) -> int:
        """The step of the newest one, whole or not; 0 where there is none."""
        return max(map(step_of, self._newest_first()), default=0)

    def find(self, step: int) -> Path | None:
        """That after `step`, where it is there and whole."""
        path = self.path_of(step)
        return path if _is_whole(path) else None

    def prune(self, keep: int, best_step: int | None = None) -> None:
        """Removes all but the newest `keep`, and that after `best_step`."""
        for path in self._newest_first()[keep:]:
            if step_of(path) != best_step:
                shutil.rmtree(path)

    def adopt(self, checkpoint: Path) -> None:
        """Makes another job's checkpoint this one's, by hard links: nothing is copied."""
        self.path.mkdir(parents=True, exist_ok=True)
        shutil.copytree(checkpoint, self.path / checkpoint.name, copy_function=os.link)

    def _newest_first(self) -> list[Path]:
        return sorted(self.path.glob(f"{_PREFIX}*"), key=step_of, reverse=True)


def _is_whole(path: Path) -> bool:
    """Whether every file is there as the manifest says; one that lists nothing vouches for none."""
    try:
        files = _Manifest.model_validate_json((path / MANIFEST).read_bytes()).files
        digests = ((digest_of_file(path / name), digest) for name, digest in files.items())
        return bool(files) and all(found == digest for found, digest in digests)
    except (OSError, ValueError):
        return False


def step_of(path: Path) -> int:
    """That of the checkpoint's name; -1 where it says none."""
    number = path.name.removeprefix(_PREFIX)
    return int(number) if number.isdigit() else -1
