"""A worker's own copies of blobs: what it lacks it fetches, what others need it puts."""

from pathlib import Path

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import UnknownBlob
from learner_service.worker.service_client import ServiceClient
from tally.rpc.errors import NotFound


class WorkerBlobs(BlobStore):
    """A folder that may vanish. `puts`: what this process makes goes into the service's store."""

    def __init__(self, root: Path, service: ServiceClient, *, puts: bool) -> None:
        super().__init__(root)
        self._service = service
        self._puts = puts

    def path(self, digest: str) -> Path:
        """The blob's file here. Raises UnknownBlob where the service has none."""
        if self.size_bytes(digest) is None:
            with self.stage() as staged:
                try:
                    self._service.fetch(digest, staged)
                except NotFound as error:
                    raise UnknownBlob(str(error)) from error
                self.keep(staged, digest)
        return super().path(digest)

    def put_bytes(self, data: bytes, *, lasting: bool = False) -> str:
        digest = super().put_bytes(data, lasting=lasting)
        if self._puts:
            self._service.put(super().path(digest), digest)
        return digest
