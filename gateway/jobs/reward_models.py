"""What GET /rewards answers."""

from pydantic import BaseModel, Field


class Reward(BaseModel):
    """A reward that a training may name."""

    name: str = Field(description="Its name.", examples=["relative_count"])
    description: str = Field(
        description="What it rewards.", examples=["1 for the true count, 0 for anything else."]
    )
    package: str | None = Field(
        description="The package that brought it, with its version; null for a built-in one.",
        examples=["tally-short-answers 1.0"],
    )
    fault: str | None = Field(
        description="Why it can't be used, as the end of a sentence about it; null where it can."
    )
