"""Jobs and their event logs: written down before anyone is told."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, TypeVarTuple

from sqlalchemy import ColumnElement, RowMapping, delete, func, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from learner_service.errors import UnknownJob
from learner_service.events import Event, JobEnded, JobPhase, JobStatus, Report, from_json
from learner_service.queue.database import store_errors
from learner_service.queue.event_log import Standing, is_logged, read_standing, write_event
from learner_service.queue.job_rows import DeletionRow, EventRow, JobRow, ServedTimeRow
from learner_service.queue.served_time import ServedTime
from learner_service.spec import JobSpec, stored_spec
from tally.database.database import Database
from tally.messages.message import Message

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_JOBS: Any = JobRow.__table__  # type: ignore[attr-defined]
# Stands for the settings of a job whose own can't be read.
UNREADABLE = JobSpec(dataset_digest="", base_model="")


@dataclass(frozen=True, kw_only=True)
class Job(Standing):
    """A job as it stands; see Job in learner.proto. `number` orders jobs by their start, `moves`
    counts how often it made room for another, `traceparent` names the call that started it."""

    number: int
    job_id: str
    spec: JobSpec
    created_at: datetime
    resumed_from_job_id: str
    moves: int
    traceparent: str = ""


@dataclass(frozen=True, kw_only=True)
class LoggedEvent:
    seq: int
    time: datetime
    event: Event


class JobStore:
    """The only writer of the learner's database; every change is on disk when a call returns.

    Sync; to be called through `run`. Raises StoreUnavailable where the database is away, and
    ResourceExhausted on a full disk.
    """

    def __init__(self, database: Database, note: Report = lambda event: None) -> None:
        """Of `database`, which is up to date; `note` is told of each event that is logged."""
        self._database = database
        self._note = note
        self._renew_fingerprints()
        self._fail_unreadable()

    async def run(self, call: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """What `call` returns, given up in time, as `Database.run` says."""
        with store_errors():
            return await self._database.run(call, *arguments)

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with store_errors(), self._database.reading() as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with store_errors(), self._database.writing() as session:
            yield session

    def create(self, job_id: str, spec: JobSpec, traceparent: str = "") -> Job:
        """Writes a new job down, queued; returns the earlier one where the id is taken."""
        row = JobRow(
            job_id=job_id,
            fingerprint=spec.fingerprint(),
            spec=spec.model_dump_json(),
            created_at=_now().isoformat(),
            status=JobStatus.TRAINING,
            phase=JobPhase.QUEUED,
            traceparent=traceparent,
        )
        try:
            with self._writing() as session:
                session.add(row)
        except IntegrityError:
            pass
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """Raises UnknownJob."""
        job = self.find(job_id)
        if job is None:
            raise UnknownJob("there is no such job")
        return job

    def find(self, job_id: str) -> Job | None:
        if "\0" in job_id:  # which PostgreSQL takes in no text
            return None
        return next(iter(self._select(col(JobRow.job_id) == job_id)), None)

    def all(self) -> list[Job]:
        """Newest first."""
        return self._select(newest_first=True)

    def unfinished(self) -> list[Job]:
        """In the order in which they were started."""
        return self._select(col(JobRow.status) == JobStatus.TRAINING)

    def count_by_state(self) -> dict[tuple[JobStatus, JobPhase], int]:
        """How many jobs there are of each status and phase, where there are any."""
        states = col(JobRow.status), col(JobRow.phase)
        with self._reading() as session:
            rows = session.exec(select(*states, func.count()).group_by(*states)).all()
        return {(JobStatus(status), JobPhase(phase)): number for status, phase, number in rows}

    def equals(self, job: Job) -> list[Job]:
        """The jobs before this one that do the same and did not come to its end, newest first."""
        return self._select(
            col(JobRow.fingerprint) == job.spec.fingerprint(),
            col(JobRow.number) < job.number,
            col(JobRow.status).in_((JobStatus.CANCELLED, JobStatus.FAILED)),
            newest_first=True,
        )

    def set_resumed_from(self, job_id: str, earlier_job_id: str) -> None:
        with self._writing() as session:
            _change(session, job_id, resumed_from_job_id=earlier_job_id)

    def count_move(self, job_id: str) -> None:
        with self._writing() as session:
            _change(session, job_id, moves=JobRow.moves + 1)

    def served_times(self) -> dict[str, ServedTime]:
        """By owner, of those who were ever served."""
        with self._reading() as session:
            rows = session.exec(select(ServedTimeRow)).all()
        return {
            row.owner: ServedTime(seconds=row.seconds, time=datetime.fromisoformat(row.time))
            for row in rows
        }

    def add_served_time(self, owner: str, seconds: float) -> None:
        served = self.served_times().get(owner) or ServedTime(seconds=0.0, time=_now())
        after = served.plus(seconds, _now())
        row = ServedTimeRow(owner=owner, seconds=after.seconds, time=after.time.isoformat())
        with self._writing() as session:
            session.merge(row)

    def append(
        self, job_id: str, event: Event, *, at: datetime | None = None, again: bool = False
    ) -> bool:
        """Logs the event and what it changes about the job, in one transaction.

        Returns False, with nothing written, for an event that the job does not take any more.
        `again`: the same call was given up before, and what it may have done, told by the moment
        `at` of the event, is not done twice.
        """
        time = (at or _now()).isoformat()
        with store_errors(), self._database.transaction() as connection:
            standing = read_standing(connection, job_id)
            if again and is_logged(connection, job_id, standing, event, time):
                return True
            if not standing.takes(event):
                return False
            write_event(connection, job_id, standing.after(event), event, time)
        self._note(event)
        return True

    def events(self, job_id: str, after_seq: int, limit: int = 1000) -> list[LoggedEvent]:
        columns = select(EventRow.seq, EventRow.time, EventRow.event)
        query = columns.where(EventRow.job_id == job_id, EventRow.seq > after_seq)
        with self._reading() as session:
            rows = session.exec(query.order_by(col(EventRow.seq)).limit(limit)).all()
        return [
            LoggedEvent(seq=seq, time=datetime.fromisoformat(time), event=from_json(event))
            for seq, time, event in rows
        ]

    def begin_deletion(self, job_id: str, digests: list[str]) -> None:
        """The job is not there any more, but for what `deletions` tells of it."""
        with self._writing() as session:
            for row in (EventRow, JobRow):
                session.exec(delete(row).where(col(row.job_id) == job_id))
            session.merge(DeletionRow(job_id=job_id, digests=json.dumps(digests)))

    def deletions(self) -> dict[str, list[str]]:
        """The blobs of each job that is being deleted, by its id."""
        with self._reading() as session:
            rows = session.exec(select(DeletionRow)).all()
        return {row.job_id: json.loads(row.digests) for row in rows}

    def end_deletion(self, job_id: str) -> None:
        with self._writing() as session:
            session.exec(delete(DeletionRow).where(col(DeletionRow.job_id) == job_id))

    def _select(self, *wanted: ColumnElement[bool], newest_first: bool = False) -> list[Job]:
        number = _JOBS.c.number
        query = _JOBS.select().where(*wanted)
        ordered = query.order_by(number.desc() if newest_first else number)
        with self._reading() as session:
            return [_job(row) for row in session.connection().execute(ordered).mappings()]

    def _fail_unreadable(self) -> None:
        """One job that can't be read must not hold up those behind it in the queue."""
        for job in self.unfinished():
            if job.spec == UNREADABLE:
                self.append(job.job_id, JobEnded.of_failure(Message("settings_unreadable")))

    def _renew_fingerprints(self) -> None:
        """Settings that were added or removed since change them, and a job that goes on from an
        earlier one is found by them."""
        with self._writing() as session:
            columns = select(JobRow.job_id, JobRow.fingerprint, JobRow.spec)
            for job_id, fingerprint, text in session.exec(columns).all():
                spec = stored_spec(text)
                if spec and spec.fingerprint() != fingerprint:
                    _change(session, job_id, fingerprint=spec.fingerprint())


def _change(session: Session, job_id: str, **values: Any) -> None:
    session.exec(update(JobRow).where(col(JobRow.job_id) == job_id).values(**values))


def _job(row: RowMapping) -> Job:
    fields = {name: value for name, value in row.items() if name != "fingerprint"}
    fields["spec"] = stored_spec(row["spec"]) or UNREADABLE
    fields["created_at"] = datetime.fromisoformat(row["created_at"])
    fields["status"] = JobStatus(row["status"])
    fields["phase"] = JobPhase(row["phase"])
    return Job(**fields)


def _now() -> datetime:
    return datetime.now(UTC)
