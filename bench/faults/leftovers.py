"""What lies in a stack's folder when all jobs have ended, and nothing names."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from learner_service.blobs.blob_store import BlobStore
from learner_service.data.dataset import stage_dataset
from learner_service.data.prompts import Prompter
from learner_service.job_folder.layout import JobFolder
from learner_service.settings import LearnerSettings
from tally.cli.stack.services import DEFAULT_MODEL
from tally.rpc.digests import digest_of_file

_SIDE_PIXELS = 112


def leftovers(data_dir: Path, completed: set[str]) -> list[str]:
    """Paths below `data_dir`, whose services have ended; `completed` jobs keep no checkpoint."""
    found = [*_of_gateway(data_dir / "gateway"), *_of_learner(data_dir, completed)]
    return sorted(str(path.relative_to(data_dir)) for path in found)


def _of_gateway(folder: Path) -> Iterator[Path]:
    for name in ("staging", "adapters"):
        yield from (folder / name).iterdir()
    yield from folder.rglob("*.staged")


def _of_learner(data_dir: Path, completed: set[str]) -> Iterator[Path]:
    learner = data_dir / "learner"
    named = _named_blobs(data_dir)
    yield from (path for path in _blobs(learner / "blobs") if path.name not in named)
    yield from (learner / "blobs" / "staging").iterdir()
    for folder in (learner / "jobs").iterdir():
        job = JobFolder(folder)
        yield from (path for path in (job.staging, job.result_archive) if path.exists())
        if job.path.name in completed:
            yield from job.checkpoints.path.glob("*")
    yield from (learner / "jobs").rglob("*.staged")


def _blobs(root: Path) -> Iterator[Path]:
    return (path for path in root.glob("??/*") if path.is_file())


def _named_blobs(data_dir: Path) -> set[str]:
    """Datasets with their images, results, reports, and each job's last adapter."""
    gateway, jobs = data_dir / "gateway", data_dir / "learner" / "jobs"
    datasets = list((gateway / "datasets").iterdir())
    named = {path.stem for path in [*datasets, *(gateway / "reports").iterdir()]}
    named |= {digest_of_file(path) for path in (gateway / "results").iterdir()}
    named |= {JobFolder(job).adapters.last or "" for job in jobs.iterdir()}
    return named | set().union(*map(_images, datasets))


def _images(dataset: Path) -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        grid = Prompter.of_model(DEFAULT_MODEL).grid
        store, limits = BlobStore(Path(folder)), LearnerSettings().dataset
        rows = stage_dataset(dataset, store, grid, _SIDE_PIXELS, limits=limits)
    return {row.image_digest for row in rows}
