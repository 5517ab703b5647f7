"""Rows of jobs and of their events: every change of a job is one transaction here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, or_, select

from gateway.convert import LearnerEvent, LearnerState
from gateway.jobs.admission import admit
from gateway.jobs.change_models import JobChanges
from gateway.jobs.job_changes import apply_event, apply_state, end_payload
from gateway.jobs.job_models import ENDED, SAMPLES, Job, JobEvent
from gateway.jobs.tags import as_stored
from gateway.times import now
from gateway.webhooks.webhook_models import Webhook, webhook_of_end
from tally.database.database import Database
from tally.job.kept_answers import STEPS_KEPT, is_milestone
from tally.messages.message import Message

Payload = Mapping[str, Any]
PAGE = 500
_JOBS: Any = Job.__table__  # type: ignore[attr-defined]
_EVENTS: Any = JobEvent.__table__  # type: ignore[attr-defined]
# Asked all the time, so stated once: making a statement costs as much as executing it.
_WITH_ID = _JOBS.select().where(_JOBS.c.job_id == bindparam("asked_id"))


class JobStore:
    """Sync; to be called through `run`. Raises SQLAlchemyError where the database is away."""

    def __init__(self, database: Database, most_jobs: int | None = None) -> None:
        """`most_jobs`: of an owner, at once."""
        self._database, self._most_jobs = database, most_jobs
        self.run = database.run

    def add(self, job: Job) -> bool:
        """Writes the job down; False where another has its idempotency key. Raises ApiError."""
        try:
            with self._database.writing() as session:
                admit(session, job, self._most_jobs)
                session.add(job)
        except IntegrityError:
            if job.idempotency_key is None:
                raise
            return False
        return True

    def with_key(self, owner: str, key: str | None) -> Job | None:
        if key is None:
            return None
        asked = _JOBS.c.owner == owner, _JOBS.c.idempotency_key == key
        return next(iter(self._database.select(Job, _JOBS.select().where(*asked))), None)

    def get(self, job_id: str) -> Job | None:
        return next(iter(self._database.select(Job, _WITH_ID, asked_id=job_id)), None)

    def ids_to_follow(self, handed_over_by: datetime | None = None) -> Sequence[str]:
        """Jobs whose log is not complete; without those that were written down after
        `handed_over_by` and that somebody may just be handing to the learner."""
        query = select(Job.job_id).where(col(Job.log_complete).is_(False))
        if handed_over_by is not None:
            query = query.where(or_(Job.accepted, col(Job.created_at) <= handed_over_by))
        with self._database.reading() as session:
            return session.exec(query).all()

    def last_seqs(self, job_ids: Sequence[str]) -> dict[str, int]:
        query = select(Job.job_id, Job.last_seq).where(col(Job.job_id).in_(job_ids))
        with self._database.reading() as session:
            return dict(session.exec(query).all())

    def events(self, job_id: str, after_seq: int = 0) -> Sequence[JobEvent]:
        """The next ones after `after_seq`, at most a page of them."""
        query = _EVENTS.select().where(_EVENTS.c.job_id == job_id, _EVENTS.c.seq > after_seq)
        return self._database.select(JobEvent, query.order_by(_EVENTS.c.seq).limit(PAGE))

    def newest_event(self, job_id: str, kind: str) -> JobEvent | None:
        query = _EVENTS.select().where(_EVENTS.c.job_id == job_id, _EVENTS.c.kind == kind)
        newest = query.order_by(_EVENTS.c.seq.desc()).limit(1)
        return next(iter(self._database.select(JobEvent, newest)), None)

    def payloads(self, job_id: str, kind: str, after_seq: int) -> Sequence[tuple[int, Payload]]:
        """Of every event of a kind after `after_seq`: its number and what it says."""
        columns = select(_EVENTS.c.seq, _EVENTS.c.payload)
        of_kind = columns.where(_EVENTS.c.job_id == job_id, _EVENTS.c.kind == kind)
        query = of_kind.where(_EVENTS.c.seq > after_seq).order_by(_EVENTS.c.seq)
        with self._database.reading() as session:
            return [(seq, payload) for seq, payload in session.connection().execute(query)]

    def forget(self, job_id: str) -> None:
        """Removes a job that nobody was told of."""
        with self._database.writing() as session:
            job = _get_for_update(session, job_id)
            if job is not None and not job.accepted and not job.last_seq:
                session.delete(job)

    def request_cancel(self, job_id: str) -> Job | None:
        with self._database.writing() as session:
            job = _get_for_update(session, job_id)
            if job is not None and not job.ended:
                job.cancel_requested = True
            return job

    def mark_attempted(self, job_id: str) -> bool:
        """Says that StartJob is about to be called; False where the job must not start."""
        with self._database.writing() as session:
            job = _get_for_update(session, job_id)
            if job is None or job.ended or job.cancel_requested:
                return False
            job.start_attempted = True
            return True

    def accept(self, job_id: str, state: LearnerState) -> Job | None:
        """Notes that the learner has the job."""
        with self._database.writing() as session:
            job = _get_for_update(session, job_id)
            if job is not None:
                job.accepted = True
                apply_state(job, state)
            return job

    def apply_state(self, job_id: str, state: LearnerState) -> Job | None:
        with self._database.writing() as session:
            job = _get_for_update(session, job_id)
            if job is not None:
                apply_state(job, state)
            return job

    def change(self, job_id: str, changes: JobChanges) -> Job | None:
        with self._database.writing() as session:
            job = _get_for_update(session, job_id)
            if job is not None:
                _apply_changes(job, changes)
            return job

    def lose(self, job_id: str) -> None:
        """Notes that the learner does not know the job: what it logs next starts from 1 again."""
        with self._database.writing() as session:
            job = _get_for_update(session, job_id)
            if job is not None and not job.ended:
                job.accepted = False
                job.seq_offset = job.last_seq

    def end(self, job_id: str, status: str, error: Message | None = None) -> None:
        """Ends a job that the learner will never log the end of; a job that has ended stays."""
        with self._database.writing() as session:
            job = _get_for_update(session, job_id)
            if job is None or job.log_complete:
                return
            status = job.status if job.ended else status
            payload = end_payload(status, error)
            _append(session, job, LearnerEvent(job.last_seq + 1, now(), ENDED, payload))

    def append(self, job_id: str, events: Sequence[LearnerEvent]) -> int:
        """Stores events with what they change; returns the job's last number.

        Events that are stored already, by another gateway perhaps, are passed over. Nothing is
        stored from a gap on.
        """
        with self._database.writing() as session:
            job = _get_for_update(session, job_id)
            if job is None:
                return 0
            for event in events:
                shifted = event._replace(seq=event.seq + job.seq_offset)
                if shifted.seq == job.last_seq + 1 and not job.log_complete:
                    _append(session, job, shifted)
            return job.last_seq


def _get_for_update(session: Session, job_id: str) -> Job | None:
    # SQLite has one writer at a time already, and ignores FOR UPDATE.
    return session.get(Job, job_id, with_for_update=True)


def _apply_changes(job: Job, changes: JobChanges) -> None:
    if changes.job_name is not None:
        job.job_name = changes.job_name
    if changes.tags is not None:
        job.stored_tags = as_stored(changes.tags)
    if changes.notes is not None:
        job.notes = changes.notes


def _append(session: Session, job: Job, event: LearnerEvent) -> None:
    values = event._asdict()
    del values["traceparent"]
    session.add(JobEvent(job_id=job.job_id, **values))
    job.last_seq = event.seq
    if event.kind == SAMPLES:
        _drop_shown_groups(session, job)
    apply_event(job, event.kind, event.payload, event.time)
    if event.kind == ENDED and job.callback_url:
        session.add(_webhook(job, job.callback_url))


def _drop_shown_groups(session: Session, job: Job) -> None:
    """Empties the event that leaves the last STEPS_KEPT, unless it is to stay for good."""
    query = select(JobEvent).where(JobEvent.job_id == job.job_id, JobEvent.kind == SAMPLES)
    order = col(JobEvent.seq).desc()
    leaving = session.exec(query.order_by(order).offset(STEPS_KEPT).limit(1)).first()
    if leaving is not None and not is_milestone(leaving.payload["step"], job.total_steps):
        leaving.payload = {**leaving.payload, "groups": []}


def _webhook(job: Job, url: str) -> Webhook:
    return webhook_of_end(
        url,
        job.job_id,
        job_name=job.job_name,
        status=job.status,
        error_message=job.error_message,
    )
