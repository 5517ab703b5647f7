"""Which blobs a job needs, as the store is told: what nobody has claimed there goes in time."""

from collections.abc import Callable

from learner_service.blobs.blob_store import BlobStore
from learner_service.job_folder.layout import JobFolder
from learner_service.queue.job_store import Job, JobStore


def blobs_of(job: Job, folder: JobFolder) -> list[str]:
    """Digests of what came of the job."""
    return [*filter(None, (job.result_digest, job.report_digest)), *folder.adapters.digests()]


def claim_all(store: JobStore, blobs: BlobStore, folder: Callable[[str], JobFolder]) -> None:
    """Of every job, once the store's claims have been swept; one that has not ended needs what it
    was given, too."""
    for job in store.all():
        given = () if job.status.ended else job.spec.digests().values()
        for digest in (*given, *blobs_of(job, folder(job.job_id))):
            blobs.claim(digest, job.job_id)
