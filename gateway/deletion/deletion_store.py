"""Rows that go: in the transaction that finds a thing unused it is gone for everyone."""

from collections.abc import Iterable, Sequence

from sqlmodel import Session, col, delete, select

from gateway.deletion.deletion_models import Deletion, Kind
from gateway.errors import Conflict, Missing
from gateway.jobs.job_models import EVALUATION, Job, JobEvent, is_unended
from gateway.uploads.file_models import StoredFile
from gateway.webhooks.webhook_models import Webhook, webhook_id_of
from tally.database.database import Database
from tally.messages.message import Message


class DeletionStore:
    """Sync; to be called through `run`. Raises SQLAlchemyError where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.run = database.run

    def delete_file(self, file_id: str) -> Deletion:
        """Raises Conflict that names who uses it."""
        with self._database.writing() as session:
            file = session.get(StoredFile, file_id, with_for_update=True)
            if file is None:
                raise Missing.at("file_id", Message("no_such_file"))
            for job in _unended_jobs(session):
                if file_id in job.file_ids.values():
                    raise Conflict.at("file_id", _used_by(job))
            session.delete(file)
            return _begin(session, file_id, Kind.FILE, [file.dataset_digest])

    def delete_job(self, job_id: str) -> Deletion:
        """Of either kind. Raises Conflict where it has not ended, or another goes on from it."""
        with self._database.writing() as session:
            job = session.get(Job, job_id, with_for_update=True)
            if job is None:
                raise Missing.at("job_id", Message("no_such_job"))
            _check_ended(job)
            for later in _unended_jobs(session):
                if later.resume_from_job_id == job_id:
                    message = Message("job_gone_on_from", job_id=later.job_id)
                    raise Conflict.at("job_id", message)
            reports = reports_of(session, job_id)
            session.exec(delete(JobEvent).where(col(JobEvent.job_id) == job_id))
            session.exec(delete(Webhook).where(col(Webhook.webhook_id) == webhook_id_of(job_id)))
            session.delete(job)
            return _begin(session, job_id, Kind.JOB, reports)

    def begun(self) -> Sequence[Deletion]:
        with self._database.reading() as session:
            return session.exec(select(Deletion)).all()

    def end(self, deleted_id: str) -> None:
        """Nothing hangs on it any more."""
        with self._database.writing() as session:
            session.exec(delete(Deletion).where(col(Deletion.deleted_id) == deleted_id))

    def names_dataset(self, digest: str) -> bool:
        """Whether there is a file that has this dataset: equal uploads have one."""
        query = select(StoredFile.file_id).where(StoredFile.dataset_digest == digest).limit(1)
        with self._database.reading() as session:
            return session.exec(query).first() is not None


def _begin(session: Session, deleted_id: str, kind: Kind, digests: list[str]) -> Deletion:
    return session.merge(Deletion(deleted_id=deleted_id, kind=kind, digests=digests))


def _unended_jobs(session: Session) -> Iterable[Job]:
    return session.exec(select(Job).where(is_unended()))


def reports_of(session: Session, job_id: str) -> list[str]:
    """Digests of what the job's comparisons found."""
    query = select(JobEvent.payload).where(JobEvent.job_id == job_id, JobEvent.kind == "evaluation")
    digests = (payload.get("report_digest") for payload in session.exec(query))
    return [digest for digest in digests if digest]


def _check_ended(job: Job) -> None:
    if not job.ended:
        raise Conflict.at("job_id", Message("job_not_ended"))
    if not job.log_complete:
        raise Conflict.at("job_id", Message("job_ending"))


def _used_by(job: Job) -> Message:
    if job.kind == EVALUATION:
        return Message("file_in_comparison", evaluation_id=job.job_id)
    return Message("file_in_job", job_id=job.job_id)
