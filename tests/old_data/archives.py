"""Data folders as earlier commits left them, each named after its commit and packed as it lay.

Every one must open in all later releases. It holds `gateway/` and `learner/` of a stack that was
killed while it ran, without caches and logs: an upload, a job that was completed, one that was
cancelled and one that was interrupted, both with a checkpoint.
"""

import tarfile
from pathlib import Path
from typing import NamedTuple


class OldJobs(NamedTuple):
    """Of an archive, by how they stood."""

    completed: str
    cancelled: str
    interrupted: str


JOBS = {
    "0631114": OldJobs(
        completed="c823f120-edfc-4265-8d64-00d817c741f4",
        cancelled="10fbe838-2216-454e-9809-5994c53d6f8b",
        interrupted="d20c45d0-9fb0-451c-89a8-69d851ea83bb",
    ),
}


def unpack(commit: str, folder: Path) -> OldJobs:
    """Puts it where a stack with `folder` as its data folder looks for it."""
    with tarfile.open(Path(__file__).with_name(f"{commit}.tar.xz")) as archive:
        archive.extractall(folder, filter="data")
    return JOBS[commit]
