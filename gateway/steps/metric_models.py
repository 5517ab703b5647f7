"""What the route of metrics answers."""

from pydantic import BaseModel, Field
from pydantic.dataclasses import dataclass

from tally.job import metrics


@dataclass(frozen=True, kw_only=True)
class _Numbered:
    step: int = Field(description="The step, from 1.", examples=[1])


@dataclass(frozen=True, kw_only=True)
class StepMetrics(metrics.StepMetrics, _Numbered):
    """What one optimizer step measured; null where it was not a finite number.

    A step that was stored before a figure was invented has null there too.
    """


class Metrics(BaseModel):
    job_id: str = Field(description="The job's id.")
    last_seq: int = Field(
        description="The steps hold every event up to this one; watch the job from here on.",
        examples=[240],
    )
    steps: list[StepMetrics] = Field(
        description="One for each step done, in order; a step done twice shows its last run."
    )
