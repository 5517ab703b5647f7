"""What is shown of a step: some of its groups, with all their answers."""

from pydantic import Field
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ShownAnswer:
    """One answer of a group."""

    text: str = Field(description="What the model said.", examples=["A photo of 3 apples"])
    count: int | None = Field(description="The count in it; null where it holds none.")
    reward: float | None = Field(description="Its reward.", examples=[1.0])


@dataclass(frozen=True, kw_only=True)
class ShownGroup:
    """All answers to one question of a step."""

    row: int = Field(description="The row of the upload.", examples=[17])
    question: str = Field(
        description="What was asked.", examples=["How many apples are in this image?"]
    )
    true_count: int = Field(description="How many objects there are.", examples=[3])
    answers: list[ShownAnswer] = Field(description="Every completion of the group.")
