"""What a job is written down for, in the transaction that does it: nothing of it goes meanwhile."""

from sqlmodel import Session, col, func, select

from gateway.errors import Missing, TooMany, retry_after
from gateway.jobs.job_models import Job, is_unended
from gateway.uploads.file_models import StoredFile
from tally.messages.message import Message

_RETRY_SECONDS = 60


def admit(session: Session, job: Job, most_jobs: int | None) -> None:
    """Raises Missing or TooMany for a job that is not to be written down; `most_jobs` are those of
    an owner at once."""
    _check_files_stay(session, job)
    if most_jobs is not None:
        _check_quota(session, job, most_jobs)


def _check_files_stay(session: Session, job: Job) -> None:
    """Whoever deletes one of its files waits until the job is there, and then finds it."""
    for field, file_id in job.file_ids.items():
        if session.get(StoredFile, file_id, with_for_update={"read": True}) is None:
            raise Missing.at(field, Message("no_such_file"))


def _check_quota(session: Session, job: Job, most_jobs: int) -> None:
    count = select(func.count(col(Job.job_id))).where(Job.owner == job.owner, is_unended())
    jobs = session.exec(count).one()
    if jobs >= most_jobs:
        message = Message("too_many_jobs", jobs=jobs, most=most_jobs)
        raise TooMany(message, headers=retry_after(_RETRY_SECONDS))
