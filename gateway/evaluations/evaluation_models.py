"""Evaluations that were asked for: bodies, and what is answered."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.jobs.job_models import Checkpoint, Job
from gateway.jobs.job_public import to_public
from gateway.results.report_models import Evaluation
from gateway.times import Time
from tally.messages.languages import Language

_STATUSES = {"training": "running"}


class EvaluateRequest(BaseModel):
    """The body of POST /jobs/{job_id}/evaluate."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"examples": [{"file_id": "7d1f0c2e-5a55-4c56-9f4b-1b9d5c1f3a10"}]},
    )

    file_id: str = Field(min_length=1, max_length=200, description="The upload to compare on.")
    checkpoint: Checkpoint = Field(
        "last",
        description="The adapter of the last step, or of the one that answered best what is held "
        "out, by evaluation_steps.",
    )


class EvaluationSummary(BaseModel):
    """An evaluation as it stands."""

    evaluation_id: str = Field(
        description="Names the evaluation, and its events and files as a job's id does.",
        examples=["0c5a6c52-4df8-4c08-8b62-54a0d6e4b8ae"],
    )
    job_id: str | None = Field(description="The job whose adapter it is; null for one that came.")
    file_id: str = Field(description="The upload that is compared on.")
    status: Literal["running", "completed", "failed", "cancelled"] = Field(
        description="Where it stands."
    )
    phase: str | None = Field(description="As that of a job; null once it has ended.")
    progress: float = Field(description="Share of the answers given, in percent.")
    error_message: str | None = Field(description="Why it failed; null otherwise.")
    created_at: Time = Field(description="When it was asked for, in UTC.")


class EvaluationPublic(EvaluationSummary):
    evaluation: Evaluation | None = Field(description="What it found; null until it is completed.")


def to_summary(job: Job, language: Language) -> EvaluationSummary:
    public = to_public(job, language)
    return EvaluationSummary(
        evaluation_id=job.job_id,
        job_id=job.parent_job_id,
        file_id=public.data_file_id,
        status=_STATUSES.get(public.status, public.status),
        phase=public.phase,
        progress=public.progress,
        error_message=public.error_message,
        created_at=public.created_at,
    )
