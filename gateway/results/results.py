"""Results and reports: fetched from the learner once, then kept in the data folder."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.learner_client import LearnerClient
from gateway.storage import Storage, keep


class Results:
    """Each method raises as `BlobClient.fetch_file` does where the learner lacks the blob."""

    def __init__(self, storage: Storage, learner: LearnerClient) -> None:
        self._storage = storage
        self._learner = learner

    async def adapter(self, job_id: str, digest: str | None) -> Path:
        """The ZIP of a completed job's trained adapter."""
        return await self._fetch(digest or "", self._storage.result_path(job_id))

    async def fetch_packed(self, job_id: str, checkpoint: str) -> Path:
        """The ZIP of an ended job's `last` or `best` adapter, which the learner packs."""
        paths = {"last": self._storage.result_path, "best": self._storage.best_path}
        path = paths[checkpoint](job_id)
        if not path.exists():
            await self._fetch(await self._learner.pack_adapter(job_id, checkpoint), path)
        return path

    async def merge(self, job_id: str, checkpoint: str) -> AsyncIterator[bytes]:
        """The ZIP of the base model with the adapter in it, which is kept nowhere.

        Raises TallyError where it can't begin, or breaks off.
        """
        pieces = self._learner.merge(job_id, checkpoint)
        first = await anext(pieces)
        return _rejoin(first, pieces)

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


async def _rejoin(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
