"""Uploads."""

from fastapi import APIRouter, Request
from sqlmodel import col, select

from gateway.errors import ErrorBody
from gateway.file_models import FilePublic, StoredFile
from gateway.services import ServicesDep

router = APIRouter(tags=["data"])

_FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "description": "A ZIP with main.csv and images/.",
                    },
                    "encoding": {
                        "type": "string",
                        "description": "The encoding of main.csv where it is not UTF-8.",
                        "examples": ["big5"],
                    },
                },
            }
        }
    },
}


@router.post(
    "/upload-data",
    summary="Upload Training Data",
    responses={413: {"model": ErrorBody, "description": "Beyond a limit of this server."}},
    openapi_extra={"requestBody": _FORM},
)
async def upload_data(request: Request, services: ServicesDep) -> FilePublic:
    """Takes a ZIP with `main.csv` and `images/`, and checks every row, answer and image."""
    return FilePublic.model_validate(await services.uploads.take(request))


@router.get("/files", summary="List uploads")
def list_files(services: ServicesDep) -> list[FilePublic]:
    """Every upload that was taken, newest first."""
    order = (col(StoredFile.upload_time).desc(), col(StoredFile.file_id))
    with services.database.reading() as session:
        files = session.exec(select(StoredFile).order_by(*order)).all()
    return [FilePublic.model_validate(file) for file in files]
