"""How a job that has ended is deleted: out of the database first, then its folder and its blobs."""

import logging
import shutil
import threading
from collections.abc import Callable, Sequence

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import JobInUse, NotYet
from learner_service.job_folder.layout import JobFolder
from learner_service.queue.blob_claims import blobs_of
from learner_service.queue.job_store import Job, JobStore
from learner_service.spec import Training

_log = logging.getLogger(__name__)


class JobDeletion:
    """`folder` gives a job's folder by its id; `is_busy`, whether it may have its worker still.
    One at a time."""

    def __init__(
        self,
        store: JobStore,
        blobs: BlobStore,
        folder: Callable[[str], JobFolder],
        is_busy: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._folder = folder
        self._is_busy = is_busy
        self._lock = threading.Lock()

    def delete(self, job_id: str) -> bool:
        """Whether the job was there; what an earlier call left of it goes too. Raises JobInUse,
        NotYet."""
        with self._lock:
            job = self._store.find(job_id)
            if job is not None:
                self._check_unused(job)
                self._store.begin_deletion(job_id, blobs_of(job, self._folder(job_id)))
            begun = self._store.deletions()
            if job_id in begun:
                self._finish(job_id, begun[job_id])
            return job is not None

    def finish_all(self) -> None:
        """Ends what a service began that did not live to end it."""
        for job_id, digests in self._store.deletions().items():
            try:
                self._finish(job_id, digests)
            except OSError as error:
                _log.warning("job %s can't be deleted yet: %s", job_id, error)

    def _finish(self, job_id: str, digests: Sequence[str]) -> None:
        path = self._folder(job_id).path
        if path.exists():
            shutil.rmtree(path)
        for digest in digests:
            self._blobs.release(digest, job_id)
        self._store.end_deletion(job_id)

    def _check_unused(self, job: Job) -> None:
        if not job.status.ended:
            raise JobInUse("job_id: the job has not ended; cancel it first")
        if self._is_busy(job.job_id):
            raise NotYet("job_id: the job's worker is still stopping; try again")
        for later in self._store.unfinished():
            work = later.spec.work
            if isinstance(work, Training) and work.resume_from_job_id == job.job_id:
                raise JobInUse(f"job_id: {later.job_id}, which has not ended, goes on from it")
