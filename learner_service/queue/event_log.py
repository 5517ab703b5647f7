"""How an event is logged with what it changes about its job: plain statements, as it is often."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlmodel import SQLModel

from learner_service.errors import UnknownJob
from learner_service.events import (
    EvaluationDone,
    Event,
    HeldOutScored,
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
from learner_service.queue.job_rows import EventRow, JobRow
from tally.job.kept_answers import STEPS_KEPT, is_milestone


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What events change about a job."""

    status: JobStatus
    phase: JobPhase
    current_step: int
    total_steps: int
    loss: float | None
    error_message: str
    result_digest: str
    report_digest: str
    last_seq: int

    def takes(self, event: Event) -> bool:
        """Not once the job has ended, and no step again (a resumed worker does the last anew)."""
        done = isinstance(event, StepDone | SamplesShown) and event.step <= self.current_step
        # The last step may have been done without its evaluation.
        scored = isinstance(event, HeldOutScored) and event.step < self.current_step
        return not (self.status.ended or done or scored)

    def after(self, event: Event) -> "Standing":
        """As the event leaves it."""
        standing = replace(self, last_seq=self.last_seq + 1)
        match event:
            case PhaseChanged(phase=phase):
                return replace(standing, phase=phase)
            case WorkerStarted(resumed_from_step=step, total_steps=total):
                furthest = max(self.current_step, step)
                return replace(standing, current_step=furthest, total_steps=total)
            case StepDone(step=step, total_steps=total, metrics=metrics):
                return replace(standing, current_step=step, total_steps=total, loss=metrics.loss)
            case EvaluationDone(report_digest=digest):
                return replace(standing, report_digest=digest)
            case JobEnded(status=status, error_message=message, result_digest=digest):
                return replace(
                    standing,
                    status=status,
                    phase=JobPhase.NONE,
                    error_message=message.replace("\0", ""),  # which PostgreSQL takes in no text
                    result_digest=digest,
                )
        return standing


def _table(rows: type[SQLModel]) -> Any:
    return rows.__table__  # type: ignore[attr-defined]


_JOBS, _EVENTS = _table(JobRow), _table(EventRow)
_NAMES = tuple(Standing.__dataclass_fields__)
_OF_JOB = _JOBS.c.job_id == bindparam("of_job")
# SQLite has one writer at a time already, and ignores FOR UPDATE.
_READ = select(*(_JOBS.c[name] for name in _NAMES)).where(_OF_JOB).with_for_update()
_CHANGE = update(_JOBS).where(_OF_JOB).values({name: bindparam(f"new_{name}") for name in _NAMES})
_ADD = insert(_EVENTS)
_SHOWN = (
    select(_EVENTS.c.seq, _EVENTS.c.event)
    .where(_EVENTS.c.job_id == bindparam("of_job"))
    .where(_EVENTS.c.event.startswith('{"type": "SamplesShown"', autoescape=True))
    .order_by(_EVENTS.c.seq.desc())
)


def read_standing(connection: Connection, job_id: str) -> Standing:
    """It stays so until the transaction ends. Raises UnknownJob."""
    row = connection.execute(_READ, {"of_job": job_id}).mappings().first()
    if row is None:
        raise UnknownJob("there is no such job")
    fields = dict(row)
    fields["status"], fields["phase"] = JobStatus(row["status"]), JobPhase(row["phase"])
    return Standing(**fields)


def write_event(
    connection: Connection, job_id: str, standing: Standing, event: Event, time: str
) -> None:
    """Adds the event as the last one, and leaves the job as `standing`, which is that after it."""
    row = {"job_id": job_id, "seq": standing.last_seq, "time": time, "event": to_json(event)}
    connection.execute(_ADD, row)
    changed = {f"new_{name}": value for name, value in vars(standing).items()}
    connection.execute(_CHANGE, {"of_job": job_id, **changed})
    if isinstance(event, SamplesShown):
        _drop_shown_groups(connection, job_id, standing.total_steps)


def is_logged(
    connection: Connection, job_id: str, standing: Standing, event: Event, time: str
) -> bool:
    """Whether the event of that very moment is among the last two; the end may have come after."""
    query = select(_EVENTS.c.seq).where(
        _EVENTS.c.job_id == job_id,
        _EVENTS.c.seq > standing.last_seq - 2,
        _EVENTS.c.time == time,
        _EVENTS.c.event == to_json(event),
    )
    return connection.execute(query).first() is not None


def _drop_shown_groups(connection: Connection, job_id: str, total_steps: int) -> None:
    """Empties the event that leaves the last STEPS_KEPT, unless it is to stay for good."""
    oldest = _SHOWN.offset(STEPS_KEPT).limit(1)
    row = connection.execute(oldest, {"of_job": job_id}).first()
    if row is None:
        return
    leaving = from_json(row.event)
    if isinstance(leaving, SamplesShown) and not is_milestone(leaving.step, total_steps):
        place = (_EVENTS.c.job_id == job_id, _EVENTS.c.seq == row.seq)
        emptied = to_json(replace(leaving, groups=[]))
        connection.execute(update(_EVENTS).where(*place).values(event=emptied))
