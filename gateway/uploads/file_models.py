"""An uploaded file: its base, its public face, its table."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import NaiveDatetime
from sqlalchemy import JSON, Column, String
from sqlmodel import Field, SQLModel

from gateway.access.callers import NOBODY
from gateway.times import Time

FileKind = Literal["data", "adapter"]
DATA: FileKind = "data"
ADAPTER: FileKind = "adapter"
# Some megabytes of an answer.
MOST_SKIPPED_LISTED = 10_000
_ROW_NUMBER = (
    "Of main.csv as a spreadsheet shows it: the header is row 1. Of main.jsonl its line, and of "
    "annotations its place, from 1."
)


class FileBase(SQLModel):
    file_id: str = Field(
        primary_key=True,
        max_length=36,
        description="Names the upload in POST /train.",
        schema_extra={"examples": ["7d1f0c2e-5a55-4c56-9f4b-1b9d5c1f3a10"]},
    )
    filename: str = Field(
        max_length=255,
        description="The name it was sent under.",
        schema_extra={"examples": ["training_data.zip"]},
    )
    kind: FileKind = Field(
        default=DATA,
        sa_type=String,
        sa_column_kwargs={"server_default": DATA},
        description="What it is: data to train on, or an adapter to begin with.",
        schema_extra={"examples": [DATA]},
    )
    csv_rows: int = Field(
        description="Rows of data, those that were left out among them.",
        schema_extra={"examples": [500]},
    )
    valid_images: int = Field(
        description="Different images that rows name; every one was decoded.",
        schema_extra={"examples": [498]},
    )
    skipped_rows: int = Field(
        default=0,
        sa_column_kwargs={"server_default": "0"},
        description="Rows that were left out, since `on_bad_rows` was `skip`.",
        schema_extra={"examples": [2]},
    )


class FilePublic(FileBase):
    upload_time: Time = Field(
        description="When it was stored, in UTC.",
        schema_extra={"examples": ["2025-01-20T10:30:00"]},
    )
    warnings: list[str] = Field(
        description="What was accepted but looks like a mistake, in the uploader's language.",
        schema_extra={"examples": [["images/spare.jpg: no row names it"]]},
    )


class SkippedRow(SQLModel):
    """A row that was left out."""

    row: int = Field(
        description=_ROW_NUMBER,
        schema_extra={"examples": [7]},
    )
    code: str = Field(
        description="What is wrong, for programs.", schema_extra={"examples": ["image_missing"]}
    )
    message: str = Field(
        description="What is wrong with the row or its image, in the uploader's language.",
        schema_extra={"examples": ["images/apple2.png is not in the ZIP"]},
    )


class UploadAnswer(FilePublic):
    skipped: list[SkippedRow] = Field(
        description=f"Every row that was left out; the first {MOST_SKIPPED_LISTED:,} of more."
    )


@dataclass(frozen=True, slots=True)
class RowPublic:
    """A row of an upload; not a model, since a hundred thousand of them may be held."""

    row: Annotated[int, Field(description=_ROW_NUMBER)]
    image: Annotated[str, Field(description="The image's name in the ZIP.")]
    question: Annotated[str, Field(description="What is asked.")]
    answer: Annotated[
        str, Field(description="The answer as it was uploaded, or made of annotations.")
    ]
    true_count: Annotated[int, Field(description="The count in the answer.")]


class RowsPage(SQLModel):
    file_id: str = Field(description="The upload.")
    csv_rows: int = Field(
        description="Rows in all, without those that were left out.",
        schema_extra={"examples": [500]},
    )
    offset: int = Field(description="Rows before the first one here.")
    rows: list[RowPublic] = Field(description="In the order of their numbers.")


class StoredFile(FileBase, table=True):
    __tablename__ = "files"

    upload_time: NaiveDatetime = Field(index=True)
    warnings: list[str] = Field(sa_column=Column(JSON, nullable=False))
    upload_digest: str = Field(max_length=64)
    dataset_digest: str = Field(max_length=64, index=True)
    # How an adapter learnt to be asked.
    prompt: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    owner: str = Field(
        default=NOBODY, max_length=64, index=True, sa_column_kwargs={"server_default": ""}
    )
