"""What the route of metrics answers."""

from pydantic import BaseModel, Field
from pydantic.dataclasses import dataclass

from tally.job import metrics
from tally.job.comparison import IntervalScores


@dataclass(frozen=True, kw_only=True)
class _Numbered:
    step: int = Field(description="The step, from 1.", examples=[1])


@dataclass(frozen=True, kw_only=True)
class StepMetrics(metrics.StepMetrics, _Numbered):
    """What one optimizer step measured; null where it was not a finite number.

    A step that was stored before a figure was invented has null there too.
    """


@dataclass(frozen=True, kw_only=True)
class HeldOutScores(IntervalScores, _Numbered):
    """How the adapter after a step answered what is held out, greedily.

    Intervals of shares are Wilson's, at 95%.
    """

    num_samples: int = Field(description="Samples that it answered.", examples=[50])
    is_best: bool = Field(
        description="Whether its exact_rate is above that of every earlier step.", examples=[True]
    )


class Metrics(BaseModel):
    job_id: str = Field(description="The job's id.")
    last_seq: int = Field(
        description="The steps hold every event up to this one; watch the job from here on.",
        examples=[240],
    )
    evaluations: list[HeldOutScores] = Field(
        description="One for each evaluation of evaluation_steps, in order."
    )
    steps: list[StepMetrics] = Field(
        description="One for each step done, in order; a step done twice shows its last run."
    )
