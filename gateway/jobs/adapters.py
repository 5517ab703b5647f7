"""Which adapter of a job that has ended: its last one, or its best one."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import Conflict
from gateway.jobs.job_models import Checkpoint, Job
from gateway.results.results import Results
from tally.messages.message import Message
from tally.rpc.errors import NotFound


async def bring_adapter(results: Results, job: Job, checkpoint: Checkpoint) -> Path:
    """Its ZIP. Raises Conflict where the job may yet make another, or has none, and what the
    learner raises."""
    _check_ended(job)
    if checkpoint == "last" and job.result_digest:
        return await results.adapter(job.job_id, job.result_digest)
    with _naming_its_status(job):
        return await results.fetch_packed(job.job_id, checkpoint)


async def merge_adapter(results: Results, job: Job, checkpoint: Checkpoint) -> AsyncIterator[bytes]:
    """The ZIP of its base model with it in the weights; raises as `bring_adapter`."""
    _check_ended(job)
    with _naming_its_status(job):
        return await results.merge(job.job_id, checkpoint)


def _check_ended(job: Job) -> None:
    if not job.ended:
        raise Conflict(Message("job_unfinished"))


@contextmanager
def _naming_its_status(job: Job) -> Iterator[None]:
    """Where the learner never had the job."""
    try:
        yield
    except NotFound as error:
        raise Conflict(Message("job_without_result", status=job.status)) from error
