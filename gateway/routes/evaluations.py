"""Evaluations that are asked for: of a job's adapter, or of one that comes as a ZIP."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from gateway.evaluations.evaluation_models import (
    EvaluateRequest,
    EvaluationPublic,
    EvaluationSummary,
    to_summary,
)
from gateway.jobs.job_models import Job
from gateway.routes.dependencies import FormDep, ServicesDep
from gateway.routes.jobs import NO_SUCH_JOB, JobId
from gateway.routes.responses import refusal
from gateway.services import Services

router = APIRouter(tags=["evaluations"])

EvaluationId = Annotated[
    str,
    Path(
        description="The evaluation_id that was answered.",
        examples=["0c5a6c52-4df8-4c08-8b62-54a0d6e4b8ae"],
    ),
]
_NO_SUCH_EVALUATION = refusal(404, "There is no such evaluation.")
_FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["adapter", "file_id"],
                "properties": {
                    "adapter": {
                        "type": "string",
                        "format": "binary",
                        "description": "A ZIP with adapter_config.json, adapter_model.safetensors.",
                    },
                    "file_id": {"type": "string", "description": "The upload to compare on."},
                    "model": {"type": "string", "description": "The base model."},
                    "max_image_size": {"type": "integer", "default": 512},
                    "max_new_tokens": {"type": "integer", "default": 64},
                },
            }
        }
    },
}


@router.post(
    "/jobs/{job_id}/evaluate",
    summary="Evaluate on another upload",
    responses={
        **NO_SUCH_JOB,
        **refusal(409, "The job has no adapter, or none yet."),
    },
)
async def evaluate_job(
    job_id: JobId, body: EvaluateRequest, services: ServicesDep
) -> EvaluationPublic:
    """Compares a completed job's adapter with the base model, after the jobs before it."""
    job = await services.jobs.get_completed(job_id)
    path = await services.results.adapter(job_id, job.result_digest)
    return await _public(services, await services.evaluations.evaluate_job(job, body.file_id, path))


@router.post(
    "/evaluations",
    summary="Evaluate any adapter",
    responses={
        **refusal(404, "There is no such file."),
        **refusal(413, "Beyond a limit of this server."),
    },
    openapi_extra={"requestBody": _FORM},
)
async def evaluate_adapter(form: FormDep, services: ServicesDep) -> EvaluationPublic:
    """Compares the adapter of a ZIP with the base model, after the jobs before it."""
    return await _public(services, await services.evaluations.evaluate_upload(form))


@router.get("/evaluations", summary="List evaluations")
async def list_evaluations(
    services: ServicesDep,
    job_id: Annotated[str | None, Query(max_length=200, description="Only this job's.")] = None,
) -> list[EvaluationSummary]:
    """Every evaluation that was asked for, newest first."""
    return [to_summary(job) for job in await services.evaluations.newest_first(job_id)]


@router.get(
    "/evaluations/{evaluation_id}", summary="Look at an evaluation", responses=_NO_SUCH_EVALUATION
)
async def get_evaluation(evaluation_id: EvaluationId, services: ServicesDep) -> EvaluationPublic:
    """Where it stands and, once it is completed, what it found."""
    return await _public(services, await services.evaluations.get(evaluation_id))


@router.delete(
    "/evaluations/{evaluation_id}", summary="Cancel an evaluation", responses=_NO_SUCH_EVALUATION
)
async def cancel_evaluation(evaluation_id: EvaluationId, services: ServicesDep) -> EvaluationPublic:
    """Asks it to stop; one that has ended stays as it ended."""
    await services.evaluations.get(evaluation_id)
    return await _public(services, await services.jobs.cancel(evaluation_id))


async def _public(services: Services, job: Job) -> EvaluationPublic:
    found = await services.reports.evaluation(job) if job.status == "completed" else None
    return EvaluationPublic(**to_summary(job).model_dump(), evaluation=found)
