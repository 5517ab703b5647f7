"""What the model said in some groups of a step, as GET /jobs/{job_id}/samples answers it."""

from pydantic import BaseModel, Field

from tally.job.answers import ShownGroup


class ShownStep(BaseModel):
    """Some of a step's answers."""

    step: int = Field(description="The step, from 1.", examples=[150])
    groups: list[ShownGroup] = Field(description="At most four.")


class ShownAnswers(BaseModel):
    """What the model said in the latest steps."""

    job_id: str = Field(description="The job's id.")
    file_id: str = Field(description="The upload whose rows these are.")
    steps: list[ShownStep] = Field(description="The newest first.")
