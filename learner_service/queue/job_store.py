"""Jobs and their event logs in SQLite: written down before anyone is told."""

import sqlite3
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from learner_service.errors import UnknownJob
from learner_service.events import (
    Event,
    JobEnded,
    JobPhase,
    JobStatus,
    PhaseChanged,
    SamplesShown,
    StepDone,
    WorkerStarted,
    from_json,
    to_json,
)
from learner_service.queue.database import open_database, transaction
from learner_service.spec import JobSpec, stored_spec
from tally.job.kept_answers import STEPS_KEPT, is_milestone

# Stands for the settings of a job whose own can't be read.
UNREADABLE = JobSpec(dataset_digest="", base_model="")
_UNREADABLE_MESSAGE = (
    "the job's settings were written by another version and can't be read; start it anew"
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as it stands; see Job in learner.proto. `number` orders jobs by their start."""

    number: int
    job_id: str
    spec: JobSpec
    created_at: datetime
    status: JobStatus
    phase: JobPhase
    current_step: int = 0
    total_steps: int = 0
    loss: float | None = None
    error_message: str = ""
    result_digest: str = ""
    resumed_from_job_id: str = ""
    last_seq: int = 0


@dataclass(frozen=True, kw_only=True)
class LoggedEvent:
    seq: int
    time: datetime
    event: Event


class JobStore:
    """The only writer of the learner's database; every change is on disk when a call returns."""

    def __init__(self, path: Path) -> None:
        """Raises NewerDatabase."""
        self._lock = threading.Lock()
        self._connection = open_database(path)
        self._fail_unreadable()

    def close(self) -> None:
        self._connection.close()

    def create(self, job_id: str, spec: JobSpec) -> Job:
        """Writes a new job down, queued; the caller has looked that the id is free."""
        row = (job_id, spec.fingerprint(), spec.model_dump_json(), _now().isoformat())
        with self._lock, self._transaction():
            self._connection.execute(
                "INSERT INTO jobs (job_id, fingerprint, spec, created_at, status, phase)"
                " VALUES (?, ?, ?, ?, 'training', 'queued')",
                row,
            )
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """Raises UnknownJob."""
        job = self.find(job_id)
        if job is None:
            raise UnknownJob("there is no such job")
        return job

    def find(self, job_id: str) -> Job | None:
        with self._lock:
            row = self._connection.execute(
                "SELECT * FROM jobs WHERE job_id = ?", (job_id,)
            ).fetchone()
        return _job(row) if row else None

    def all(self) -> list[Job]:
        """Newest first."""
        return self._select("SELECT * FROM jobs ORDER BY number DESC")

    def unfinished(self) -> list[Job]:
        """In the order in which they were started."""
        return self._select("SELECT * FROM jobs WHERE status = 'training' ORDER BY number")

    def equals(self, job: Job) -> list[Job]:
        """The jobs before this one that do the same and did not come to its end, newest first."""
        return self._select(
            "SELECT * FROM jobs WHERE fingerprint = ? AND number < ?"
            " AND status IN ('cancelled', 'failed') ORDER BY number DESC",
            (job.spec.fingerprint(), job.number),
        )

    def set_resumed_from(self, job_id: str, earlier_job_id: str) -> None:
        with self._lock, self._transaction():
            self._connection.execute(
                "UPDATE jobs SET resumed_from_job_id = ? WHERE job_id = ?",
                (earlier_job_id, job_id),
            )

    def append(self, job_id: str, event: Event) -> bool:
        """Logs the event and what it changes about the job, in one transaction.

        Returns False, with nothing written, for an event of a job that has ended and for a step
        that is in the log already (a resumed worker does the last steps again).
        """
        with self._lock:
            job = _job(self._one(job_id))
            done = isinstance(event, StepDone | SamplesShown) and event.step <= job.current_step
            if job.status.ended or done:
                return False
            changed = _after(job, event)
            with self._transaction():
                self._insert_event(changed, event)
                self._update(changed)
                if isinstance(event, SamplesShown):
                    self._drop_shown_groups(changed)
        return True

    def events(self, job_id: str, after_seq: int, limit: int = 1000) -> list[LoggedEvent]:
        with self._lock:
            rows = self._connection.execute(
                "SELECT seq, time, event FROM events WHERE job_id = ? AND seq > ?"
                " ORDER BY seq LIMIT ?",
                (job_id, after_seq, limit),
            ).fetchall()
        return [
            LoggedEvent(
                seq=row["seq"],
                time=datetime.fromisoformat(row["time"]),
                event=from_json(row["event"]),
            )
            for row in rows
        ]

    def _fail_unreadable(self) -> None:
        """One job that can't be read must not hold up those behind it in the queue."""
        for job in self.unfinished():
            if job.spec == UNREADABLE:
                failed = JobEnded(status=JobStatus.FAILED, error_message=_UNREADABLE_MESSAGE)
                self.append(job.job_id, failed)

    def _transaction(self) -> AbstractContextManager[None]:
        return transaction(self._connection)

    def _one(self, job_id: str) -> sqlite3.Row:
        row: sqlite3.Row = self._connection.execute(
            "SELECT * FROM jobs WHERE job_id = ?", (job_id,)
        ).fetchone()
        return row

    def _select(self, query: str, values: tuple[object, ...] = ()) -> list[Job]:
        with self._lock:
            return [_job(row) for row in self._connection.execute(query, values).fetchall()]

    def _insert_event(self, job: Job, event: Event) -> None:
        self._connection.execute(
            "INSERT INTO events (job_id, seq, time, event) VALUES (?, ?, ?, ?)",
            (job.job_id, job.last_seq, _now().isoformat(), to_json(event)),
        )

    def _drop_shown_groups(self, job: Job) -> None:
        """Empties the event that leaves the last STEPS_KEPT, unless it is to stay for good."""
        row = self._connection.execute(
            "SELECT seq, event FROM events WHERE job_id = ? AND event LIKE ?"
            " ORDER BY seq DESC LIMIT 1 OFFSET ?",
            (job.job_id, '{"type": "SamplesShown"%', STEPS_KEPT),
        ).fetchone()
        if row is None:
            return
        leaving = from_json(row["event"])
        if isinstance(leaving, SamplesShown) and not is_milestone(leaving.step, job.total_steps):
            self._connection.execute(
                "UPDATE events SET event = ? WHERE job_id = ? AND seq = ?",
                (to_json(replace(leaving, groups=[])), job.job_id, row["seq"]),
            )

    def _update(self, job: Job) -> None:
        self._connection.execute(
            "UPDATE jobs SET status = ?, phase = ?, current_step = ?, total_steps = ?, loss = ?,"
            " error_message = ?, result_digest = ?, last_seq = ? WHERE job_id = ?",
            (
                job.status,
                job.phase,
                job.current_step,
                job.total_steps,
                job.loss,
                job.error_message,
                job.result_digest,
                job.last_seq,
                job.job_id,
            ),
        )


def _after(job: Job, event: Event) -> Job:
    """The job as the event leaves it."""
    job = replace(job, last_seq=job.last_seq + 1)
    match event:
        case PhaseChanged(phase=phase):
            return replace(job, phase=phase)
        case WorkerStarted(resumed_from_step=step, total_steps=total):
            return replace(job, current_step=max(job.current_step, step), total_steps=total)
        case StepDone(step=step, total_steps=total, metrics=metrics):
            return replace(job, current_step=step, total_steps=total, loss=metrics.loss)
        case JobEnded(status=status, error_message=message, result_digest=digest):
            return replace(
                job,
                status=status,
                phase=JobPhase.NONE,
                error_message=message,
                result_digest=digest,
            )
    return job


def _job(row: sqlite3.Row) -> Job:
    fields = {key: row[key] for key in row.keys() if key != "fingerprint"}  # noqa: SIM118
    fields["spec"] = stored_spec(fields["spec"]) or UNREADABLE
    fields["created_at"] = datetime.fromisoformat(fields["created_at"])
    fields["status"] = JobStatus(fields["status"])
    fields["phase"] = JobPhase(fields["phase"])
    return Job(**fields)


def _now() -> datetime:
    return datetime.now(UTC)
