"""What this service is, what it takes, whether it is well."""

from typing import Any

from fastapi import APIRouter, Request

from gateway.images.reading import FORMATS
from gateway.jobs.base_models import BaseModelPublic
from gateway.routes.dependencies import CallerDep, ServicesDep
from gateway.settings import GatewaySettings
from gateway.uploads.csv_dialect import SEPARATORS
from gateway.uploads.encoding_signs import TOLD
from gateway.uploads.header import COLUMNS
from gateway.uploads.text_encoding import ENCODINGS
from tally.job.settings import LoraConfig, TrainingConfig

router = APIRouter(tags=["about"])

_EXAMPLE = """images_path,question,answer
apple1.jpg,How many apples are in this image?,A photo of 3 apples
apple2.png,Count the apples in the picture,A photo of 5 apples
"""
_COLUMNS = {
    "images_path": {
        "description": "Name of a file in images/.",
        "example": "apple1.jpg",
    },
    "question": {
        "description": "What is to be counted.",
        "example": "How many apples are in this image?",
    },
    "answer": {
        "description": "The true count, as 'A photo of [number] [objects]'.",
        "example": "A photo of 3 apples",
    },
}
_OTHER_TABLES = {
    "main.jsonl": "an object a line: image, question, answer; row_numbers are those of the lines",
    "*.json": "annotations of objects in the form of COCO",
    "data.yaml or classes.txt": "names of classes, with YOLO's labels in labels/ or beside images",
}


@router.get("/", summary="About this service")
async def about(request: Request, services: ServicesDep, caller: CallerDep) -> dict[str, Any]:
    """The name and the endpoints of this service, and whom it takes you for."""
    return {
        "name": "Tally",
        "description": "GRPO training of vision-language models for counting objects.",
        "status": "running",
        "docs": "/docs",
        "authentication": "bearer token" if services.access.is_required else "none",
        "caller": {"token": caller.token, "owner": caller.owner, "role": caller.role},
        "endpoints": request.app.state.endpoints,
    }


@router.get("/data-format", summary="What a ZIP of training data holds")
async def data_format(services: ServicesDep) -> dict[str, Any]:
    """The layout of the ZIP, the columns of main.csv, the limits, and the training defaults."""
    return {
        "archive": "ZIP",
        "structure": {
            "main.csv": "one row for each question",
            "images/": "the images that the rows name",
        },
        "csv": {
            "columns": {column: _COLUMNS[column] for column in COLUMNS},
            "row_numbers": "the header is row 1",
            "encodings": list(ENCODINGS),
            "default_encoding": "utf-8",
            "told_encodings": ["UTF-16", *TOLD.values()],
            "separators": list(SEPARATORS),
            "example": _EXAMPLE,
        },
        "instead_of_main_csv": _OTHER_TABLES,
        "image_formats": list(FORMATS),
        "limits": _limits(services.settings),
        "training_config": TrainingConfig().model_dump(),
        "lora_config": LoraConfig().model_dump(),
    }


def _limits(settings: GatewaySettings) -> dict[str, float]:
    names = (
        "max_upload_bytes", "max_unpacked_bytes", "max_unpacked_ratio", "max_entries",
        "max_csv_bytes", "max_rows", "max_columns", "max_cell_characters",
        "max_answer_characters", "max_image_bytes", "max_image_pixels", "max_image_side",
        "min_image_side", "max_image_aspect",
    )  # fmt: skip
    return {name: getattr(settings, name) for name in names}


@router.get("/models", summary="Base models")
async def models(services: ServicesDep) -> list[BaseModelPublic]:
    """The base models that a request may name, the default first, with their licences."""
    return await services.models.describe()


@router.get("/healthz", summary="Whether the service is well")
async def health(services: ServicesDep) -> dict[str, str]:
    """200 while requests can be served; 503 while the database does not answer."""
    await services.database.check()
    return {"status": "ok"}
