"""What the blob store takes."""

from pydantic import BaseModel, ConfigDict, Field


class BlobSettings(BaseModel):
    """What one `Put` may be, and how long a blob stays for no job. A caller is told what was wrong
    with its stream, never cut off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_bytes: int = Field(8 * 1024**3, ge=1, description="Largest blob that is taken, in bytes.")
    silence_seconds: float = Field(
        30.0, gt=0, description="How long a `Put` may send nothing, in seconds."
    )
    put_seconds: float = Field(
        3600.0, gt=0, description="How long a `Put` may take as a whole, in seconds."
    )
    unclaimed_seconds: float = Field(
        3600.0,
        gt=0,
        description="How long a blob that no job needs stays after it was last put, in seconds.",
    )
