"""What is kept of an ended job: its result, its last adapter, and what a later one needs."""

from collections.abc import Callable

from learner_service.blobs.blob_store import BlobStore
from learner_service.events import JobStatus
from learner_service.job_folder.held_out_curve import HeldOutCurve
from learner_service.job_folder.layout import JobFolder
from learner_service.queue.job_store import Job
from tally.host.whole_file import sync


class EndedJobs:
    """Tidies up after them, as often as one likes; `folder` gives a job's folder by its id."""

    def __init__(self, blobs: BlobStore, folder: Callable[[str], JobFolder]) -> None:
        self._blobs = blobs
        self._folder = folder

    def tidy(self, job: Job) -> None:
        """Leaves the last published adapter, for whoever wants to try it, of a completed job the
        best checkpoint, unless that is the result, and of another what may be gone on from."""
        folder = self._folder(job.job_id)
        self._release_adapters(job, folder)
        folder.sweep()
        if job.status is JobStatus.COMPLETED:
            best_step = HeldOutCurve.read(folder.history, job.current_step).best_step
            is_result = best_step == job.current_step
            folder.checkpoints.prune(keep=0, best_step=None if is_result else best_step)

    def _release_adapters(self, job: Job, folder: JobFolder) -> None:
        published = folder.adapters.digests()
        # A job that learnt nothing may have published the adapter that it began with.
        borrowed = set(job.spec.borrowed_digests()).difference(published[-1:])
        for digest in [*published[:-1], *borrowed]:
            self._blobs.release(digest, job.job_id)
        for digest in filter(None, job.spec.dataset_digests().values()):
            self._blobs.drop_claim(digest, job.job_id)
        if published[:-1]:
            folder.adapters.forget(published[:-1])
        for digest in published[-1:]:
            if self._blobs.size_bytes(digest) is not None:
                sync(self._blobs.path(digest))
