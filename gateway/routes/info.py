"""What this service is, what it takes, whether it is well."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import text

from gateway.jobs.train_models import LoraConfig, TrainingConfig
from gateway.services import ServicesDep
from gateway.settings import Settings
from gateway.uploads.csv_table import COLUMNS
from gateway.uploads.images import FORMATS
from gateway.uploads.text_encoding import ENCODINGS

router = APIRouter(tags=["about"])

_ENDPOINTS = {
    "GET /": "this page",
    "GET /ui": "the page for a browser",
    "GET /data-format": "what a ZIP of training data holds",
    "POST /upload-data": "upload a ZIP of training data",
    "GET /files": "uploads, newest first",
    "GET /files/{file_id}/rows": "rows of an upload",
    "GET /files/{file_id}/images/{row}": "the picture of a row",
    "POST /train": "start a training job",
    "POST /train?dry_run=true": "what such a job would do",
    "GET /jobs": "jobs, newest first",
    "GET /jobs/{job_id}": "where a job stands",
    "GET /jobs/{job_id}/settings": "what it was started with",
    "DELETE /jobs/{job_id}": "cancel a job",
    "GET /jobs/{job_id}/events": "live events of a job",
    "GET /jobs/{job_id}/metrics": "what each step measured",
    "GET /jobs/{job_id}/samples": "answers of the latest steps",
    "GET /jobs/{job_id}/evaluation": "base model against adapter",
    "GET /jobs/{job_id}/evaluation.csv": "every answer of the comparison",
    "GET /jobs/{job_id}/evaluation.html": "the comparison as a page",
    "POST /jobs/{job_id}/evaluate": "compare a job's adapter on another upload",
    "POST /evaluations": "compare any adapter",
    "GET /evaluations": "comparisons that were asked for, newest first",
    "GET /evaluations/{evaluation_id}": "where a comparison stands, and what it found",
    "DELETE /evaluations/{evaluation_id}": "cancel a comparison",
    "POST /predict": "an image and a question to base and adapter",
    "GET /jobs/{job_id}/download": "the trained adapter as a ZIP",
    "GET /healthz": "whether the service is well",
}
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


@router.get("/", summary="About this service")
async def about(services: ServicesDep) -> dict[str, Any]:
    """The name and the endpoints of this service."""
    return {
        "name": "Tally",
        "description": "GRPO training of Qwen2.5-VL for counting objects.",
        "status": "running",
        "docs": "/docs",
        "authentication": "bearer token" if services.settings.token else "none",
        "endpoints": _ENDPOINTS,
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
            "example": _EXAMPLE,
        },
        "image_formats": list(FORMATS),
        "limits": _limits(services.settings),
        "training_config": TrainingConfig().model_dump(),
        "lora_config": LoraConfig().model_dump(),
    }


def _limits(settings: Settings) -> dict[str, float]:
    names = (
        "max_upload_bytes", "max_unpacked_bytes", "max_entries", "max_csv_bytes", "max_rows",
        "max_cell_characters", "max_image_bytes", "max_image_pixels", "max_image_side",
        "min_image_side", "max_image_aspect",
    )  # fmt: skip
    return {name: getattr(settings, name) for name in names}


@router.get("/healthz", summary="Whether the service is well")
def health(services: ServicesDep) -> dict[str, str]:
    """200 while requests can be served; 503 while the database is away."""
    with services.database.reading() as session:
        session.execute(text("SELECT 1"))
    return {"status": "ok"}
