"""A batch of pictures that a model answers a question about: its settings, and its public face."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from gateway.jobs.job_models import Job
from gateway.jobs.job_public import to_public
from gateway.times import Time
from tally.job.prompt_template import PromptTemplate
from tally.messages.languages import Language

_STATUSES: dict[str, Any] = {"training": "running"}


class BatchSettings(BaseModel):
    """What is kept of the request, in the place of a training's settings."""

    job_name: str
    question: str
    model: str | None
    training_config: dict[str, int]
    prompt: PromptTemplate = PromptTemplate()
    abstain_below: float = Field(0.0, ge=0, le=1)


class BatchPublic(BaseModel):
    """A batch as it stands."""

    prediction_id: str = Field(
        description="Names the batch, and its events and log as a job's id does.",
        examples=["5b0c8f0e-4a39-4d0a-9a2b-0b1c6b3f9a11"],
    )
    name: str = Field(description="The name of the ZIP.", examples=["shelf"])
    question: str = Field(description="What is asked about every picture.")
    job_id: str | None = Field(description="The job whose adapter answers; null for the base.")
    abstain_below: float = Field(
        description="Counts of a smaller probability are left out, unless another bound is named."
    )
    status: Literal["running", "completed", "failed", "cancelled"] = Field(
        description="Where it stands."
    )
    phase: str | None = Field(description="As that of a job; null once it has ended.")
    progress: float = Field(description="Share of the pictures answered, in percent.")
    error_message: str | None = Field(description="Why it failed; null otherwise.")
    created_at: Time = Field(description="When it was asked for, in UTC.")


def to_batch(job: Job, language: Language) -> BatchPublic:
    public = to_public(job, language)
    return BatchPublic(
        prediction_id=job.job_id,
        name=job.job_name,
        question=str(job.spec.get("question", "")),
        job_id=job.parent_job_id,
        abstain_below=abstain_below(job),
        status=_STATUSES.get(public.status, public.status),
        phase=public.phase,
        progress=public.progress,
        error_message=public.error_message,
        created_at=public.created_at,
    )


def abstain_below(job: Job) -> float:
    return float(job.spec.get("abstain_below", 0.0))
