"""What a dataset may hold."""

from pydantic import BaseModel, ConfigDict, Field


class DatasetSettings(BaseModel):
    """What a dataset may hold: at least what the gateway lets an upload hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_entries: int = Field(100_000, ge=1, description="Most entries of a dataset's ZIP.")
    max_rows: int = Field(100_000, ge=1, description="Most rows of a dataset.")
    max_rows_bytes: int = Field(
        128 * 1024**2, ge=1, description="Largest tally.samples.jsonl, inflated, in bytes."
    )
    max_question_characters: int = Field(10_000, ge=1, description="Longest question.")
    max_image_bytes: int = Field(32 * 1024**2, ge=1, description="Largest image file, in bytes.")
    max_image_pixels: int = Field(50_000_000, ge=1, description="Most pixels of an image.")
    max_image_side: int = Field(16_384, ge=1, description="Longest side of an image, in pixels.")
