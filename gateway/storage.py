"""The data folder: staging (swept at start), datasets and reports by digest, the rest by id."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from sqlalchemy.exc import OperationalError

from tally.host.disk_reserve import DiskReserve
from tally.host.full_disk import is_full_disk
from tally.host.locks import lock_folder, share, try_lock
from tally.host.whole_file import sync

T = TypeVar("T")
_RESERVE_SECONDS = 60.0
_LOOK_SECONDS = 0.02


class NamedFiles(NamedTuple):
    """What rows name: datasets by digest, uploads, unfinished jobs and batches by id."""

    datasets: Collection[str]
    uploads: Collection[str]
    unfinished_jobs: Collection[str]
    batches: Collection[str]


class Storage:
    """Where files lie. A file under datasets or results is whole: it was renamed into place."""

    def __init__(self, data_dir: Path) -> None:
        self.staging_dir = data_dir / "staging"
        self.datasets_dir = data_dir / "datasets"
        self.rows_dir = data_dir / "rows"
        self.results_dir = data_dir / "results"
        self.reports_dir = data_dir / "reports"
        self.adapters_dir = data_dir / "adapters"
        self.batches_dir = data_dir / "batches"
        self.batch_pictures_dir = data_dir / "batch-pictures"
        for folder in (
            self.staging_dir, self.datasets_dir, self.rows_dir, self.results_dir,
            self.reports_dir, self.adapters_dir, self.batches_dir, self.batch_pictures_dir,
        ):  # fmt: skip
            folder.mkdir(parents=True, exist_ok=True)
        self.reserve = DiskReserve(data_dir / "reserve")
        self._lock = (data_dir / "gateways.lock").open("a")
        self._datasets_lock = data_dir / "datasets.lock"
        self._datasets_lock.touch()  # a full disk has no room for it

    def sweep(self, find_named: Callable[[], NamedFiles]) -> None:
        """Removes what a killed gateway left behind; what others may just have taken in stays.

        Only once no other gateway can take an upload in is `find_named` asked what is kept.
        """
        self._sweep_staging()
        if try_lock(self._lock):
            self._remove_unnamed(find_named())
        share(self._lock)

    def _remove_unnamed(self, named: NamedFiles) -> None:
        owners = (
            (self.datasets_dir, named.datasets),
            (self.rows_dir, named.uploads),
            (self.adapters_dir, named.unfinished_jobs),
            (self.batches_dir, named.unfinished_jobs),
            (self.batch_pictures_dir, named.batches),
        )
        for folder, known in owners:
            for path in folder.iterdir():
                if path.stem not in known:
                    _remove(path)

    def _sweep_staging(self) -> None:
        """What somebody still works in is locked."""
        for leftover in self.staging_dir.iterdir():
            descriptor = lock_folder(leftover)
            if descriptor is not None:
                _remove(leftover)
                os.close(descriptor)

    async def keep_reserve(self) -> None:
        """Runs on: keeps some room for when the disk is full, as soon as there is enough again."""
        while True:
            await asyncio.to_thread(self.reserve.fill)
            await asyncio.sleep(_RESERVE_SECONDS)

    async def with_room(self, free_some: Callable[[], Awaitable[T]]) -> T:
        """What frees room needs some itself: on a full disk it has that which was kept for it."""
        try:
            return await free_some()
        except OperationalError as error:
            if not is_full_disk(error) or not await asyncio.to_thread(self.reserve.give_up):
                raise
            return await free_some()

    def close(self) -> None:
        self._lock.close()

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder of one's own that is gone after the block, or when another gateway starts."""
        descriptor = None
        while descriptor is None:  # unless one that starts just now has taken it for a leftover
            folder = Path(tempfile.mkdtemp(dir=self.staging_dir))
            descriptor = lock_folder(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)

    def dataset_path(self, digest: str) -> Path:
        """Of a dataset; an uploaded adapter lies there, too."""
        return self.datasets_dir / f"{digest}.zip"

    def rows_path(self, file_id: str) -> Path:
        return self.rows_dir / f"{file_id}.jsonl"

    def result_path(self, job_id: str) -> Path:
        return self.results_dir / f"{job_id}.zip"

    def best_path(self, job_id: str) -> Path:
        """The adapter of the job's best step."""
        return self.results_dir / f"{job_id}.best.zip"

    def report_path(self, digest: str) -> Path:
        return self.reports_dir / f"{digest}.zip"

    def adapter_path(self, evaluation_id: str) -> Path:
        """The adapter of an evaluation, or of a batch, that has not ended."""
        return self.adapters_dir / f"{evaluation_id}.safetensors"

    def batch_path(self, prediction_id: str) -> Path:
        """The dataset of a batch that has not ended."""
        return self.batches_dir / f"{prediction_id}.zip"

    def batch_pictures_path(self, prediction_id: str) -> Path:
        """What the pictures of a batch are called."""
        return self.batch_pictures_dir / f"{prediction_id}.jsonl"

    def forget_brought(self, job_id: str) -> None:
        """What was to be brought to the learner, whether it came to that or not."""
        self.adapter_path(job_id).unlink(missing_ok=True)
        self.batch_path(job_id).unlink(missing_ok=True)

    def forget_batch(self, prediction_id: str) -> None:
        self.forget_brought(prediction_id)
        self.batch_pictures_path(prediction_id).unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def hold_datasets(self) -> AsyncIterator[None]:
        """Meanwhile no dataset comes or goes, at any gateway that shares the folder: between a
        dataset and the row that names it there must be nobody who finds it unnamed."""
        with self._datasets_lock.open("a") as file:
            while not try_lock(file):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(_LOOK_SECONDS)
            yield


def keep(staged: Path, path: Path) -> None:
    """Renames `staged` to `path` so that it survives a crash of the machine."""
    sync(staged)
    staged.replace(path)
    sync(path.parent)


def size_bytes(path: Path) -> int:
    """Of a file; 0 where there is none."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
