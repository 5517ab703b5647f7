"""What lasts of a job, kept by the service: a worker's own folder may vanish at any time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learner_service.job_folder.commits import Place
from learner_service.job_folder.keeper import Keeper
from learner_service.job_folder.layout import JobFolder
from learner_service.worker.service_client import ServiceClient


class ServiceKeeper(Keeper):
    """Of the attempt of this number; waits for a service that is away, as its client does."""

    def __init__(self, service: ServiceClient, attempt: int) -> None:
        self._service = service
        self.attempt = attempt

    def prepare(self, folder: JobFolder) -> tuple[str, ...]:
        """Puts what the attempt goes on from into an empty folder; returns the names of checkpoints
        that are damaged."""
        folder.checkpoints.path.mkdir(parents=True)
        digests, damaged = self._service.job_files()
        for name, digest in digests.items():
            path = folder.path / name
            path.parent.mkdir(exist_ok=True)
            self._service.fetch(digest, path)
        return damaged

    def keep(self, place: Place, paths: Sequence[Path], step: int = 0) -> None:
        # What has a checkpoint is not done again, nor told again.
        self._service.settle()
        self._service.commit(place, paths, step)

    def publish(self, path: Path, digest: str, kept: int) -> None:
        self._service.publish(path, digest, kept)

    def log_history(self, entry: dict[str, Any]) -> None:
        self._service.log_history(entry)
