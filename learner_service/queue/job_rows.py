"""The tables of the learner's database."""

from typing import Any

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Text
from sqlmodel import Field, SQLModel


class _Row(SQLModel):
    # Its own: the gateway has tables of the same names in a database of its own.
    metadata = MetaData()


class JobRow(_Row, table=True):
    """`number` orders jobs by their start; times are ISO 8601, and the spec is JSON."""

    __tablename__ = "jobs"
    __table_args__: Any = (
        Index("jobs_by_fingerprint", "fingerprint", "number"),
        {"sqlite_autoincrement": True},
    )

    number: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    )
    job_id: str = Field(sa_type=Text, unique=True)
    fingerprint: str = Field(sa_type=Text)
    spec: str = Field(sa_type=Text)
    created_at: str = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    phase: str = Field(sa_type=Text)
    current_step: int = Field(default=0, sa_type=BigInteger)
    total_steps: int = Field(default=0, sa_type=BigInteger)
    loss: float | None = Field(default=None, sa_type=Double)
    error_message: str = Field(default="", sa_type=Text)
    result_digest: str = Field(default="", sa_type=Text)
    report_digest: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    resumed_from_job_id: str = Field(default="", sa_type=Text)
    last_seq: int = Field(default=0, sa_type=BigInteger)
    # How often it made room for a job of higher priority.
    moves: int = Field(default=0, sa_type=Integer, sa_column_kwargs={"server_default": "0"})
    traceparent: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})


class EventRow(_Row, table=True):
    """`seq` counts a job's events from 1; the event is JSON."""

    __tablename__ = "events"
    __table_args__: Any = {"sqlite_with_rowid": False}

    job_id: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    time: str = Field(sa_type=Text)
    event: str = Field(sa_type=Text)


class ServedTimeRow(_Row, table=True):
    """Seconds that jobs of an owner have run, as they count at `time`: the older, the less."""

    __tablename__ = "served_time"

    owner: str = Field(primary_key=True, sa_type=Text)
    seconds: float = Field(sa_type=Double)
    time: str = Field(sa_type=Text)


class DeletionRow(_Row, table=True):
    """A job that is no longer there, but for its folder and its blobs, whose digests are JSON."""

    __tablename__ = "deletions"

    job_id: str = Field(primary_key=True, sa_type=Text)
    digests: str = Field(sa_type=Text)
