"""An uploaded file: its base, its public face, its table."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import NaiveDatetime
from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from gateway.access.callers import NOBODY
from gateway.times import Time


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
    csv_rows: int = Field(description="Data rows of main.csv.", schema_extra={"examples": [500]})
    valid_images: int = Field(
        description="Different images that rows name; every one was decoded.",
        schema_extra={"examples": [498]},
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


@dataclass(frozen=True, slots=True)
class RowPublic:
    """A row of main.csv; not a model, since a hundred thousand of them may be held."""

    row: Annotated[int, Field(description="As a spreadsheet shows it: the header is row 1.")]
    image: Annotated[str, Field(description="The image's name in the ZIP.")]
    question: Annotated[str, Field(description="What is asked.")]
    answer: Annotated[str, Field(description="The answer as it was uploaded.")]
    true_count: Annotated[int, Field(description="The count in the answer.")]


class RowsPage(SQLModel):
    file_id: str = Field(description="The upload.")
    csv_rows: int = Field(description="Rows in all.", schema_extra={"examples": [500]})
    offset: int = Field(description="Rows before the first one here.")
    rows: list[RowPublic] = Field(description="In the order of main.csv.")


class StoredFile(FileBase, table=True):
    __tablename__ = "files"

    upload_time: NaiveDatetime = Field(index=True)
    warnings: list[str] = Field(sa_column=Column(JSON, nullable=False))
    upload_digest: str = Field(max_length=64)
    dataset_digest: str = Field(max_length=64, index=True)
    owner: str = Field(
        default=NOBODY, max_length=64, index=True, sa_column_kwargs={"server_default": ""}
    )
