"""A job and its events: the tables."""

from typing import Any, Literal

from pydantic import NaiveDatetime
from sqlalchemy import JSON, BigInteger, Column, ColumnElement, String, UniqueConstraint
from sqlmodel import Field, SQLModel, and_, col

from gateway.access.callers import NOBODY
from gateway.convert import JobStatus
from gateway.jobs.tags import from_stored
from tally.job.settings import DEFAULT_PRIORITY

CANCELLING = "cancelling"
SAMPLES = "samples"
STEP = "step"
HELD_OUT = "held_out"
NOTICE = "notice"
# The code of a notice that takes an earlier one back.
TEACHES_AGAIN = "teaches_again"
ENDED = "ended"
TRAINING = "training"
EVALUATION = "evaluation"
PREDICTION = "prediction"
Checkpoint = Literal["last", "best"]
FILE_FIELDS = ("data_file_id", "evaluation_file_id", "adapter_file_id")


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
    notes: str = Field(
        default="",
        description="What PATCH /jobs/{job_id} said about it.",
        sa_column_kwargs={"server_default": ""},
        schema_extra={"examples": ["The one in the report."]},
    )
    best_step: int | None = Field(
        default=None,
        sa_type=BigInteger,
        description="The step whose adapter has answered best what is held out so far, by "
        "exact_rate; null before the first evaluation of evaluation_steps.",
        schema_extra={"examples": [None]},
    )
    end_reason: str | None = Field(
        default=None,
        max_length=40,
        description="Why a completed job ended before its last step: no_improvement, by "
        "evaluation_patience, or nothing_taught, by zero_variance_patience; null otherwise.",
        schema_extra={"examples": [None]},
    )
    warning: str | None = Field(
        default=None,
        max_length=40,
        description="What makes it less than a plain success: no_variety or nothing_left_to_learn, "
        "where its last steps, ten or more in a row, have taught nothing; null otherwise.",
        schema_extra={"examples": [None]},
    )


class Job(JobBase, table=True):
    """A row. A job is followed until its log is complete, which is after its status has ended."""

    __tablename__ = "jobs"
    # Two owners may name a request alike; each means their own.
    __table_args__ = (
        UniqueConstraint("owner", "idempotency_key", name="uq_jobs_owner_idempotency_key"),
    )

    created_at: NaiveDatetime = Field(index=True)
    started_at: NaiveDatetime | None = None
    ended_at: NaiveDatetime | None = None
    # error_message as a Message's JSON, for other languages; None of an earlier version's.
    error_said: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
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
    # A prediction, too: of the parent's adapter, or of the base model.
    # What it compares, or what a training begins with, is named by the digest.
    kind: str = Field(default=TRAINING, max_length=20)
    parent_job_id: str | None = Field(default=None, max_length=36, index=True)
    adapter_digest: str | None = Field(default=None, max_length=64)
    # See gateway.jobs.tags.
    stored_tags: str = Field(default="", sa_column_kwargs={"server_default": ""})
    # The span of the request that began it, where that was traced.
    traceparent: str = Field(default="", max_length=55, sa_column_kwargs={"server_default": ""})

    @property
    def ended(self) -> bool:
        return self.status != "training"

    @property
    def tags(self) -> list[str]:
        return from_stored(self.stored_tags)

    @property
    def data_file_id(self) -> str:
        """Empty where the stored settings can't be read."""
        return self._read_stored("data_file_id") or ""

    @property
    def evaluation_file_id(self) -> str | None:
        return self._read_stored("evaluation_file_id")

    @property
    def priority(self) -> int:
        value = self.spec.get("priority") if isinstance(self.spec, dict) else None
        return value if isinstance(value, int) else DEFAULT_PRIORITY

    @property
    def evaluates_held_out(self) -> bool:
        """Whether its log may have an event HELD_OUT."""
        config = self.spec.get("training_config") if isinstance(self.spec, dict) else None
        return isinstance(config, dict) and bool(config.get("evaluation_steps"))

    @property
    def callback_url(self) -> str | None:
        return self._read_stored("callback_url")

    @property
    def resume_from_job_id(self) -> str | None:
        return self._read_stored("resume_from_job_id")

    @property
    def adapter_job_id(self) -> str | None:
        return self._read_stored("adapter_job_id")

    @property
    def adapter_file_id(self) -> str | None:
        return self._read_stored("adapter_file_id")

    @property
    def file_ids(self) -> dict[str, str]:
        """The uploads that it needs, by the fields that name them."""
        named = {name: self._read_stored(name) for name in FILE_FIELDS}
        return {name: file_id for name, file_id in named.items() if file_id}

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
