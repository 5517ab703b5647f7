"""What is being deleted: of it there is nothing any more but what hangs on it."""

from enum import StrEnum

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel


class Kind(StrEnum):
    """A comparison is a job, too."""

    FILE = "file"
    JOB = "job"


class Deletion(SQLModel, table=True):
    """`digests` name a file's dataset, or the reports of a job."""

    __tablename__ = "deletions"

    deleted_id: str = Field(primary_key=True, max_length=36)
    kind: str = Field(max_length=20)
    digests: list[str] = Field(sa_column=Column(JSON, nullable=False))
