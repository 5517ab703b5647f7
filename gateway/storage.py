"""The data folder: staging (swept at start), datasets and reports by digest, the rest by id."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from tally.host.locks import share, try_lock
from tally.rpc.digests import digest_of_file


class Storage:
    """Where files lie. A file under datasets or results is whole: it was renamed into place."""

    def __init__(self, data_dir: Path) -> None:
        self.staging_dir = data_dir / "staging"
        self.datasets_dir = data_dir / "datasets"
        self.rows_dir = data_dir / "rows"
        self.results_dir = data_dir / "results"
        self.reports_dir = data_dir / "reports"
        self.adapters_dir = data_dir / "adapters"
        for folder in (
            self.staging_dir, self.datasets_dir, self.rows_dir, self.results_dir,
            self.reports_dir, self.adapters_dir,
        ):  # fmt: skip
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = (data_dir / "gateways.lock").open("a")

    def sweep(
        self,
        *,
        datasets: Collection[str],
        files: Collection[str],
        evaluations: Collection[str],
    ) -> None:
        """Removes what a killed gateway left behind, unless another one is using the folder."""
        if not try_lock(self._lock):
            share(self._lock)
            return
        for leftover in self.staging_dir.iterdir():
            _remove(leftover)
        owners = (
            (self.datasets_dir, datasets),
            (self.rows_dir, files),
            (self.adapters_dir, evaluations),
        )
        for folder, known in owners:
            for path in folder.iterdir():
                if path.stem not in known:
                    _remove(path)
        share(self._lock)

    def close(self) -> None:
        self._lock.close()

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder of one's own that is gone after the block."""
        folder = Path(tempfile.mkdtemp(dir=self.staging_dir))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def dataset_path(self, digest: str) -> Path:
        return self.datasets_dir / f"{digest}.zip"

    def rows_path(self, file_id: str) -> Path:
        return self.rows_dir / f"{file_id}.jsonl"

    def result_path(self, job_id: str) -> Path:
        return self.results_dir / f"{job_id}.zip"

    def report_path(self, digest: str) -> Path:
        return self.reports_dir / f"{digest}.zip"

    def adapter_path(self, evaluation_id: str) -> Path:
        """The adapter of an evaluation that has not ended."""
        return self.adapters_dir / f"{evaluation_id}.safetensors"

    def keep_dataset(self, staged: Path) -> str:
        """Moves a dataset to its place, once for equal bytes; returns its digest."""
        digest = digest_of_file(staged)
        keep(staged, self.dataset_path(digest))
        return digest


def keep(staged: Path, path: Path) -> None:
    """Renames `staged` to `path` so that it survives a crash of the machine."""
    with staged.open("rb") as file:
        os.fsync(file.fileno())
    staged.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
