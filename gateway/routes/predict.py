"""Try it."""

from fastapi import APIRouter

from gateway.evaluations.predictions import Prediction
from gateway.routes.dependencies import CallerDep, FormDep, ServicesDep
from gateway.routes.forms import CHECKPOINT
from gateway.routes.responses import refusal

router = APIRouter(tags=["predictions"])

_FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["image", "question"],
                "properties": {
                    "image": {
                        "type": "string",
                        "format": "binary",
                        "description": "A picture of at most 16 MiB.",
                    },
                    "question": {"type": "string", "examples": ["How many apples are there?"]},
                    "job_id": {"type": "string", "description": "The job whose adapter answers."},
                    "checkpoint": CHECKPOINT,
                    "model": {"type": "string", "description": "The base model."},
                    "max_image_size": {"type": "integer", "default": 512},
                    "max_new_tokens": {"type": "integer", "default": 64},
                },
            }
        }
    },
}


@router.post(
    "/predict",
    summary="Try it",
    responses={
        **refusal(404, "There is no such job."),
        **refusal(409, "The job has no adapter yet."),
        **refusal(413, "The picture is too large."),
    },
    openapi_extra={"requestBody": _FORM},
)
async def predict(form: FormDep, services: ServicesDep, caller: CallerDep) -> Prediction:
    """Asks the base model and, with a `job_id`, that job's adapter about one picture."""
    return await services.predictions.predict(form, caller)
