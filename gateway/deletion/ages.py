"""Since when nobody has used a file, and a job or a comparison has ended."""

from collections.abc import Iterator
from datetime import datetime

from sqlmodel import Session, and_, col, select

from gateway.deletion.deletion_store import reports_of
from gateway.jobs.job_models import Job, JobEvent
from gateway.times import now
from gateway.uploads.file_models import StoredFile
from tally.database.database import Database


class Ages:
    """Sync. Raises SQLAlchemyError where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unused_files(self, before: datetime) -> Iterator[tuple[StoredFile, datetime]]:
        """Files that were uploaded, and last given to a job, before that; and when that was."""
        with self._database.reading() as session:
            last_uses = _last_uses(session)
            for file in session.exec(select(StoredFile)):
                since = max(file.upload_time, last_uses.get(file.file_id, file.upload_time))
                if since < before:
                    yield file, since

    def ended_jobs(self, kind: str, before: datetime) -> Iterator[tuple[Job, list[str], datetime]]:
        """Those of a kind that ended before that, their reports, and when that was."""
        last_event = and_(JobEvent.job_id == Job.job_id, JobEvent.seq == Job.last_seq)
        query = select(Job, JobEvent.time).join(JobEvent, last_event)
        wanted = (Job.kind == kind, col(Job.log_complete), JobEvent.time < before)
        with self._database.reading() as session:
            for job, ended_at in session.exec(query.where(*wanted)).all():
                yield job, reports_of(session, job.job_id), ended_at


def _last_uses(session: Session) -> dict[str, datetime]:
    """When a file was last given to a job, by its id; one that a job needs now is used now."""
    last_uses: dict[str, datetime] = {}
    for job in session.exec(select(Job)):
        for file_id in job.file_ids.values():
            used = job.created_at if job.ended else now()
            last_uses[file_id] = max(used, last_uses.get(file_id, used))
    return last_uses
