"""Which blobs a job needs, as the store is told: what nobody has claimed there goes in time."""

from collections.abc import Callable

from learner_service.blobs.blob_store import BlobStore
from learner_service.job_folder.layout import JobFolder
from learner_service.queue.job_store import Job, JobStore


def blobs_of(job: Job, folder: JobFolder) -> list[str]:
    """Digests of what came of the job."""
    return [*filter(None, (job.result_digest, job.report_digest)), *folder.adapters.digests()]


def claim_given(job: Job, blobs: BlobStore) -> None:
    """What the job was given, which it needs until it has ended."""
    if not job.status.ended:
        for digest in job.spec.digests().values():
            blobs.claim(digest, job.job_id)


def claim_all(store: JobStore, blobs: BlobStore, folder: Callable[[str], JobFolder]) -> None:
    """Of every job, once the store's claims have been swept."""
    for job in store.all():
        claim_given(job, blobs)
        for digest in blobs_of(job, folder(job.job_id)):
            blobs.claim(digest, job.job_id)
