"""The body of PATCH /jobs/{job_id}: what its owner says of a job, whenever they like."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.invalid_fields import BadValue
from gateway.jobs.tags import MOST_TAGS, Tag
from gateway.jobs.train_models import JobName
from tally.messages.message import Message

_MOST_NOTES_CHARACTERS = 4_000


def _text(notes: str) -> str:
    if not notes.replace("\n", "").replace("\t", "").isprintable():
        raise BadValue(Message("control_characters"))
    return notes.strip()


Notes = Annotated[str, Field(max_length=_MOST_NOTES_CHARACTERS), AfterValidator(_text)]


class JobChanges(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"examples": [{"tags": ["apples"], "notes": "The one in the report."}]},
    )

    job_name: JobName | None = Field(None, description="Another name; the download carries it.")
    tags: list[Tag] | None = Field(
        None,
        max_length=MOST_TAGS,
        description="All of its tags, in place of those before; letters become small ones, and a "
        "tag holds no comma.",
    )
    notes: Notes | None = Field(None, description="A text about it; empty for none.")
