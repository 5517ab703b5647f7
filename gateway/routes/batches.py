"""Predictions: a question about every picture of a ZIP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response

from gateway.batches.batch_models import BatchPublic, to_batch
from gateway.jobs.job_models import Job
from gateway.routes.dependencies import CallerDep, LanguageDep, OfJob, ServicesDep, UploadDep
from gateway.routes.forms import CHECKPOINT
from gateway.routes.jobs import STILL_NEEDED, Purge
from gateway.routes.responses import content, refusal

router = APIRouter(tags=["predictions"])
PredictionId = Annotated[
    str,
    Path(
        description="The prediction_id that POST /predictions answered.",
        examples=["5b0c8f0e-4a39-4d0a-9a2b-0b1c6b3f9a11"],
    ),
]
_NO_SUCH_PREDICTION = refusal(404, "There is no such prediction.")
_FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "question"],
                "properties": {
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "description": "A ZIP of pictures, in whatever folders.",
                    },
                    "question": {"type": "string", "examples": ["How many apples are there?"]},
                    "job_id": {
                        "type": "string",
                        "description": "The completed job whose adapter answers; left out: the "
                        "base model.",
                    },
                    "checkpoint": CHECKPOINT,
                    "abstain_below": {
                        "type": "number",
                        "minimum": 0,
                        "maximum": 1,
                        "default": 0,
                        "description": "Counts of a smaller probability are left out of the table.",
                    },
                    "model": {"type": "string", "description": "The base model."},
                    "max_image_size": {"type": "integer", "description": "As that of a job."},
                    "max_new_tokens": {"type": "integer", "description": "As that of a job."},
                },
            }
        }
    },
}


async def _batch(prediction_id: PredictionId, services: ServicesDep, caller: CallerDep) -> Job:
    return await services.batches.get_for(caller, prediction_id)


BatchDep = Annotated[Job, Depends(_batch)]


@router.post(
    "/predictions",
    summary="Predict a ZIP of pictures",
    responses={
        **refusal(404, "There is no such job."),
        **refusal(409, "The job has no adapter, or none yet."),
        **refusal(413, "Beyond a limit of this server."),
    },
    openapi_extra={"requestBody": _FORM},
)
async def start_prediction(
    form: UploadDep, services: ServicesDep, caller: CallerDep, language: LanguageDep
) -> BatchPublic:
    """Asks the base model, or a job's adapter, about every picture, after the jobs before it."""
    return to_batch(await services.batches.take(form, caller), language)


@router.get("/predictions", summary="List predictions")
async def list_predictions(
    services: ServicesDep, caller: CallerDep, language: LanguageDep, job_id: OfJob = None
) -> list[BatchPublic]:
    """The batches of pictures that you asked about, newest first."""
    listed = await services.batches.newest_first(caller.sees_only, job_id)
    return [to_batch(job, language) for job in listed]


@router.get(
    "/predictions/{prediction_id}", summary="Look at a prediction", responses=_NO_SUCH_PREDICTION
)
async def get_prediction(batch: BatchDep, language: LanguageDep) -> BatchPublic:
    """Where it stands."""
    return to_batch(batch, language)


@router.get(
    "/predictions/{prediction_id}/answers.csv",
    summary="The answers of a prediction",
    response_class=Response,
    responses={
        **content("A table.", "text/csv"),
        **_NO_SUCH_PREDICTION,
        **refusal(409, "There are none, or none yet."),
    },
)
async def get_prediction_csv(
    batch: BatchDep,
    services: ServicesDep,
    abstain_below: Annotated[
        float | None,
        Query(ge=0, le=1, description="Leave out counts of a smaller probability; else as asked."),
    ] = None,
) -> Response:
    """A line for each picture: its count and how probable the answer was, word for word."""
    data = await services.batches.csv(batch, abstain_below)
    headers = {"Content-Disposition": 'attachment; filename="answers.csv"'}
    return Response(data, media_type="text/csv; charset=utf-8", headers=headers)


@router.delete(
    "/predictions/{prediction_id}",
    summary="Cancel a prediction, or delete it",
    responses={**_NO_SUCH_PREDICTION, **STILL_NEEDED},
)
async def cancel_prediction(
    batch: BatchDep, services: ServicesDep, language: LanguageDep, purge: Purge = False
) -> BatchPublic:
    """Asks it to stop; one that has ended stays as it ended. With `purge`, one that has ended is
    deleted with its answers."""
    if purge:
        await services.deletions.delete_job(batch.job_id)
        return to_batch(batch, language)
    return to_batch(await services.jobs.cancel(batch.job_id), language)
