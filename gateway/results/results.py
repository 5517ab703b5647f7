"""Results and reports: fetched from the learner once, then kept in the data folder."""

import asyncio
from pathlib import Path

from gateway.learner_client import LearnerClient
from gateway.storage import Storage, keep


class Results:
    """Each method raises as `BlobClient.fetch_file` does where the learner lacks the blob."""

    def __init__(self, storage: Storage, learner: LearnerClient) -> None:
        self._storage = storage
        self._learner = learner

    async def adapter(self, job_id: str, digest: str | None) -> Path:
        """The ZIP of a job's trained adapter."""
        return await self._fetch(digest or "", self._storage.result_path(job_id))

    async def report(self, digest: str) -> Path:
        """The ZIP of a report on an evaluation."""
        return await self._fetch(digest, self._storage.report_path(digest))

    async def _fetch(self, digest: str, path: Path) -> Path:
        if not path.exists():
            with self._storage.staging() as folder:
                staged = folder / "blob"
                await self._learner.fetch(digest, staged)
                await asyncio.to_thread(keep, staged, path)
        return path
