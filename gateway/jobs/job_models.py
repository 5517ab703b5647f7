"""A job and its events: base, public face, tables."""

from typing import Any

from pydantic import NaiveDatetime
from sqlalchemy import JSON, BigInteger, Column, ColumnElement, String, UniqueConstraint
from sqlmodel import Field, SQLModel, and_, col

from gateway.access.callers import NOBODY
from gateway.convert import JobStatus
from gateway.times import Time

CANCELLING = "cancelling"
SAMPLES = "samples"
STEP = "step"
ENDED = "ended"
TRAINING = "training"
EVALUATION = "evaluation"


class JobBase(SQLModel):
    job_id: str = Field(
        primary_key=True,
        max_length=36,
        description="Names the job in every other request.",
        schema_extra={"examples": ["2f6d1c9a-0b0e-4b4e-8a51-0f6b8f1f7c33"]},
    )
    job_name: str = Field(
        max_length=200,
        description="The name it was given.",
        schema_extra={"examples": ["apple_counting_model"]},
    )
    status: JobStatus = Field(
        default="training",
        sa_type=String,
        description="Where it stands; training until it has ended.",
        schema_extra={"examples": ["training"]},
    )
    current_step: int = Field(
        default=0,
        sa_type=BigInteger,
        description="Optimizer steps done.",
        schema_extra={"examples": [150]},
    )
    total_steps: int = Field(
        default=0,
        sa_type=BigInteger,
        description="Optimizer steps in all; 0 until the data is staged.",
        schema_extra={"examples": [200]},
    )
    loss: float | None = Field(
        default=None,
        description="The loss of the last step; null before the first.",
        schema_extra={"examples": [0.125]},
    )
    error_message: str | None = Field(
        default=None,
        description="Why it failed; null otherwise.",
        schema_extra={"examples": [None]},
    )
    output_dir: str | None = Field(
        default=None,
        description="The folder of the result on the learner's machine; null until it is known.",
        schema_extra={"examples": ["/path/to/output"]},
    )
    phase: str | None = Field(
        default="queued",
        max_length=40,
        description="What it is doing now: queued, loading, rollout, learning, saving, evaluating, "
        "waiting for rollout, cancelling; null once it has ended.",
        schema_extra={"examples": ["learning"]},
    )
    resumed_from_job_id: str | None = Field(
        default=None,
        max_length=36,
        description="The earlier job whose checkpoint it went on from; null for none.",
        schema_extra={"examples": [None]},
    )


class JobPublic(JobBase):
    data_file_id: str = Field(
        description="The upload it trains on.",
        schema_extra={"examples": ["7d1f0c2e-5a55-4c56-9f4b-1b9d5c1f3a10"]},
    )
    evaluation_file_id: str | None = Field(
        description="The upload on which base and adapter are compared; null where none was named.",
        schema_extra={"examples": [None]},
    )
    progress: float = Field(
        description="Share of the optimizer steps done, in percent.",
        schema_extra={"examples": [75.5]},
    )
    created_at: Time = Field(
        description="When POST /train wrote it down, in UTC.",
        schema_extra={"examples": ["2025-01-20T10:30:00"]},
    )


class Job(JobBase, table=True):
    """A row. A job is followed until its log is complete, which is after its status has ended."""

    __tablename__ = "jobs"
    # Two owners may name a request alike; each means their own.
    __table_args__ = (
        UniqueConstraint("owner", "idempotency_key", name="uq_jobs_owner_idempotency_key"),
    )

    created_at: NaiveDatetime = Field(index=True)
    spec: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    dataset_digest: str = Field(max_length=64)
    evaluation_dataset_digest: str | None = Field(default=None, max_length=64)
    owner: str = Field(
        default=NOBODY, max_length=64, index=True, sa_column_kwargs={"server_default": ""}
    )
    idempotency_key: str | None = Field(default=None, max_length=200)
    last_seq: int = Field(default=0, sa_type=BigInteger)
    # Events of an earlier life of the job on a learner that has since lost it.
    seq_offset: int = Field(default=0, sa_type=BigInteger)
    start_attempted: bool = False
    accepted: bool = False
    cancel_requested: bool = False
    log_complete: bool = Field(default=False, index=True)
    result_digest: str | None = Field(default=None, max_length=64)
    # An evaluation is a job that trains nothing: of the parent's adapter, or of one that was sent.
    kind: str = Field(default=TRAINING, max_length=20)
    parent_job_id: str | None = Field(default=None, max_length=36, index=True)
    adapter_digest: str | None = Field(default=None, max_length=64)

    @property
    def ended(self) -> bool:
        return self.status != "training"

    @property
    def data_file_id(self) -> str:
        """Empty where the stored settings can't be read."""
        return self._read_stored("data_file_id") or ""

    @property
    def evaluation_file_id(self) -> str | None:
        return self._read_stored("evaluation_file_id")

    @property
    def resume_from_job_id(self) -> str | None:
        return self._read_stored("resume_from_job_id")

    def _read_stored(self, name: str) -> str | None:
        value = self.spec.get(name) if isinstance(self.spec, dict) else None
        return value if isinstance(value, str) else None


def is_unended() -> ColumnElement[bool]:
    """`not Job.ended`, of rows. A complete log has an end in it, and has an index."""
    return and_(col(Job.log_complete).is_(False), col(Job.status) == "training")


class JobEvent(SQLModel, table=True):
    __tablename__ = "job_events"

    job_id: str = Field(primary_key=True, foreign_key="jobs.job_id", max_length=36)
    seq: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    kind: str = Field(max_length=20)
    time: NaiveDatetime
    payload: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


def to_public(job: Job) -> JobPublic:
    fields = job.model_dump(include=set(JobPublic.model_fields))
    if job.ended:
        fields["phase"] = None
    elif job.cancel_requested:
        fields["phase"] = CANCELLING
    for name in ("data_file_id", "evaluation_file_id"):
        fields[name] = getattr(job, name)
    return JobPublic(**fields, progress=progress_percent(job))


def progress_percent(job: Job) -> float:
    if job.status == "completed":
        return 100.0
    if not job.total_steps:
        return 0.0
    return round(min(100.0, 100.0 * job.current_step / job.total_steps), 2)
