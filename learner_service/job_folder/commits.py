"""How blobs become files of a job: whole or not at all, and for the newest attempt alone."""

import os
import re
import shutil
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import NO_ROOM, UnknownBlob
from learner_service.job_folder.checkpoints import MANIFEST, checkpoint_name
from learner_service.job_folder.fence import Attempt
from learner_service.job_folder.held_out_curve import HeldOutCurve
from learner_service.job_folder.layout import JobFolder
from tally.host.full_disk import full_disk_as
from tally.host.whole_file import link_or_copy, sync
from tally.rpc.errors import DataLoss, InvalidArgument, ResourceExhausted

_NAME = re.compile(r"[\w.-]{1,200}", re.ASCII)
_MOST_FILES = 1_000


class Place(StrEnum):
    """What files become of a job; but for the first two, one file."""

    CHECKPOINT = "checkpoint"
    OUTPUT = "output"
    HELD_OUT = "held_out"
    RESULT = "result"
    REPORT = "report"
    MLFLOW_RUN = "mlflow_run"


class Commits:
    """Those of one attempt at a job, whose blobs are claimed in the name of `job_id`."""

    def __init__(
        self,
        folder: JobFolder,
        attempt: Attempt,
        blobs: BlobStore,
        job_id: str,
        *,
        kept: int,
        needed: Collection[str] = (),
    ) -> None:
        """`kept`: how many checkpoints stay, beside the best one; `needed` are the blobs that the
        job was given."""
        self._folder = folder
        self._attempt = attempt
        self._blobs = blobs
        self._job_id = job_id
        self._kept = kept
        self._needed = needed
        # Of its own: what is only on its way goes, unless the job needs it anyway.
        self._passing = f"{job_id}.{attempt.number}"
        self._lent: set[str] = set()
        # A call that was given up may be at work while it is made again.
        self._at_work = threading.Lock()

    def files(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Digests by paths of what a worker goes on from, and the checkpoints that are damaged."""
        folder, found = self._folder, self._folder.checkpoints.find_last()
        small = (folder.split.path, folder.history.path, folder.mlflow_run_id)
        lent = {path: self._blobs.put_file(path, self._passing) for path in small if path.exists()}
        for path in sorted(found.path.iterdir()) if found.path else ():
            lent[path] = self._blobs.link_file(path, self._passing)
        self._lent.update(lent.values())
        return {str(path.relative_to(folder.path)): lent[path] for path in lent}, found.broken

    def commit(
        self,
        place: Place,
        step: int,
        files: Mapping[str, str],
        data: Mapping[str, bytes] | None = None,
    ) -> None:
        """`files` are digests by names, `data` the bytes of those that were not put before.

        Raises as CommitFiles of worker.proto says, Superseded.
        """
        _check(place, step, files)
        with (
            self._at_work,
            full_disk_as(ResourceExhausted(NO_ROOM)),
            self._stage(files, data or {}) as staged,
            self._attempt.write(),
        ):
            self._put_in_place(place, step, staged)
            if place in (Place.RESULT, Place.REPORT):
                for digest in files.values():
                    self._blobs.claim(digest, self._job_id)
                    sync(self._blobs.path(digest))

    def publish(self, digest: str, kept: int, data: bytes = b"") -> None:
        """Makes the blob the job's newest adapter, of which `kept` stay; `data` are its bytes where
        it was not put before. Raises UnknownBlob, DataLoss."""
        with full_disk_as(ResourceExhausted(NO_ROOM)), self._attempt.write():
            self._blobs.claim(digest, self._job_id)
            try:
                if data:
                    self._write_passing(digest, data)
                else:
                    self._blobs.path(digest)
            except (DataLoss, UnknownBlob):
                self._blobs.release(digest, self._job_id)
                raise
            # The list first: after a kill, what it does not name any more is nobody's.
            for old in set(self._folder.adapters.add(digest, kept)).difference(self._needed):
                self._blobs.release(old, self._job_id)

    def _write_passing(self, digest: str, data: bytes) -> None:
        with self._blobs.write(digest, len(data), lasting=False) as writer:
            writer.append(0, data)
            writer.commit()

    def append_history(self, entry: dict[str, Any]) -> None:
        with self._attempt.write():
            self._folder.history.append(entry)

    def rewind_history(self, step: int) -> None:
        with self._attempt.write():
            self._folder.history.rewind(step)

    def close(self) -> None:
        """Lets go of what the worker was lent."""
        for digest in self._lent:
            self._blobs.release(digest, self._passing)

    @contextmanager
    def _stage(self, files: Mapping[str, str], data: Mapping[str, bytes]) -> Iterator[Path]:
        """A folder of its own with the files; it goes with the context, and so do their blobs."""
        own = self._folder.staging / str(self._attempt.number)
        shutil.rmtree(own, ignore_errors=True)
        staged, claimed = own / "files", []
        staged.mkdir(parents=True)
        try:
            for name, digest in files.items():
                self._blobs.claim(digest, self._passing)
                claimed.append(digest)
                if data.get(name):
                    self._write_passing(digest, data[name])
                link_or_copy(self._blobs.path(digest), staged / name)
            yield staged
        finally:
            shutil.rmtree(own, ignore_errors=True)
            for digest in claimed:
                self._blobs.release(digest, self._passing)

    def _put_in_place(self, place: Place, step: int, staged: Path) -> None:
        folder = self._folder
        if place is Place.CHECKPOINT:
            named = staged.rename(staged.with_name(checkpoint_name(step)))
            folder.checkpoints.commit(named)
            best_step = HeldOutCurve.read(folder.history, step).best_step
            folder.checkpoints.prune(self._kept, best_step)
        elif place is Place.OUTPUT:
            _sync_all(staged)
            shutil.rmtree(folder.output, ignore_errors=True)
            staged.rename(folder.output)
        elif target := self._file_of(place):
            _sync_all(staged)
            os.replace(next(staged.iterdir()), target)
        sync(folder.path)

    def _file_of(self, place: Place) -> Path | None:
        """Of a place of one file, unless that is a blob alone."""
        return {
            Place.HELD_OUT: self._folder.split.path,
            Place.REPORT: self._folder.report_archive,
            Place.MLFLOW_RUN: self._folder.mlflow_run_id,
        }.get(place)


def _check(place: Place, step: int, files: Mapping[str, str]) -> None:
    if (place is Place.CHECKPOINT) != (step > 0):
        raise InvalidArgument("step: expected at least 1 for a checkpoint, and 0 for anything else")
    if place in (Place.CHECKPOINT, Place.OUTPUT):
        if not 1 <= len(files) <= _MOST_FILES:
            raise InvalidArgument(f"files: expected 1 to {_MOST_FILES:,}")
    elif len(files) != 1:
        raise InvalidArgument("files: expected one")
    for name in files:
        if not _NAME.fullmatch(name) or not name.strip("."):
            raise InvalidArgument("files.name: expected at most 200 letters, digits, _, - and .")
    if place is Place.CHECKPOINT and MANIFEST in files:
        raise InvalidArgument(f"files.name: {MANIFEST} is written here")


def _sync_all(folder: Path) -> None:
    for path in folder.iterdir():
        sync(path)
    sync(folder)
