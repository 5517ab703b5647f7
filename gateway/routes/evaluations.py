"""Evaluations that are asked for: of a job's adapter, or of one that comes as a ZIP."""

from fastapi import APIRouter

from gateway.evaluations.evaluation_models import (
    EvaluateRequest,
    EvaluationPublic,
    EvaluationSummary,
    to_summary,
)
from gateway.jobs.adapters import bring_adapter
from gateway.jobs.job_models import Job
from gateway.routes.dependencies import (
    CallerDep,
    EvaluationDep,
    JobDep,
    LanguageDep,
    OfJob,
    ServicesDep,
    UploadDep,
)
from gateway.routes.jobs import NO_SUCH_JOB, STILL_NEEDED, Purge
from gateway.routes.responses import refusal
from gateway.services import Services
from tally.messages.languages import Language

router = APIRouter(tags=["evaluations"])

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
    job: JobDep,
    body: EvaluateRequest,
    services: ServicesDep,
    caller: CallerDep,
    language: LanguageDep,
) -> EvaluationPublic:
    """Compares an ended job's adapter with the base model, after the jobs before it."""
    path = await bring_adapter(services.results, job, body.checkpoint)
    asked = await services.evaluations.evaluate_job(job, body.file_id, path, caller)
    return await _public(services, asked, language)


@router.post(
    "/evaluations",
    summary="Evaluate any adapter",
    responses={
        **refusal(404, "There is no such file."),
        **refusal(413, "Beyond a limit of this server."),
    },
    openapi_extra={"requestBody": _FORM},
)
async def evaluate_adapter(
    form: UploadDep, services: ServicesDep, caller: CallerDep, language: LanguageDep
) -> EvaluationPublic:
    """Compares the adapter of a ZIP with the base model, after the jobs before it."""
    asked = await services.evaluations.evaluate_upload(form, caller)
    return await _public(services, asked, language)


@router.get("/evaluations", summary="List evaluations")
async def list_evaluations(
    services: ServicesDep, caller: CallerDep, language: LanguageDep, job_id: OfJob = None
) -> list[EvaluationSummary]:
    """The evaluations that you asked for, newest first."""
    listed = await services.evaluations.newest_first(caller.sees_only, job_id)
    return [to_summary(job, language) for job in listed]


@router.get(
    "/evaluations/{evaluation_id}", summary="Look at an evaluation", responses=_NO_SUCH_EVALUATION
)
async def get_evaluation(
    evaluation: EvaluationDep, services: ServicesDep, language: LanguageDep
) -> EvaluationPublic:
    """Where it stands and, once it is completed, what it found."""
    return await _public(services, evaluation, language)


@router.delete(
    "/evaluations/{evaluation_id}",
    summary="Cancel an evaluation, or delete it",
    responses={**_NO_SUCH_EVALUATION, **STILL_NEEDED},
)
async def cancel_evaluation(
    evaluation: EvaluationDep,
    services: ServicesDep,
    language: LanguageDep,
    purge: Purge = False,
) -> EvaluationPublic:
    """Asks it to stop; one that has ended stays as it ended.

    With `purge`, one that has ended is deleted with its report.
    """
    if purge:
        await services.deletions.delete_job(evaluation.job_id)
        return EvaluationPublic(**to_summary(evaluation, language).model_dump(), evaluation=None)
    return await _public(services, await services.jobs.cancel(evaluation.job_id), language)


async def _public(services: Services, job: Job, language: Language) -> EvaluationPublic:
    found = None
    if job.status == "completed":
        found = (await services.reports.evaluation(job)).said_in(language)
    return EvaluationPublic(**to_summary(job, language).model_dump(), evaluation=found)
