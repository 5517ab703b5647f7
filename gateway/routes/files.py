"""Uploads."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from gateway.routes.dependencies import CallerDep, FileDep, ServicesDep, UploadDep
from gateway.routes.responses import content, refusal
from gateway.uploads.file_models import (
    MOST_SKIPPED_LISTED,
    FilePublic,
    RowsPage,
    SkippedRow,
    UploadAnswer,
)
from gateway.uploads.upload_form import OnBadRows, ZeroCounts
from tally.annotations.questions import QuestionLanguage

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
                        "description": "A ZIP with main.csv and images/; or with main.jsonl, or "
                        "with annotations of COCO or YOLO, in the place of main.csv.",
                    },
                    "encoding": {
                        "type": "string",
                        "description": "The encoding of main.csv, where it can't be told.",
                        "examples": ["big5"],
                    },
                    "on_bad_rows": {
                        "enum": list(OnBadRows),
                        "default": OnBadRows.REFUSE,
                        "description": "Whether rows that are wrong are left out and listed.",
                    },
                    "question_language": {
                        "enum": list(QuestionLanguage),
                        "default": QuestionLanguage.ENGLISH,
                        "description": "The language that annotations are asked about in.",
                    },
                    "zero_counts": {
                        "enum": list(ZeroCounts),
                        "default": ZeroCounts.LEAVE_OUT,
                        "description": "Whether annotations also ask for what an image has none "
                        "of.",
                    },
                },
            }
        }
    },
}

_NO_SUCH_FILE = refusal(404, "There is no such file.")
_MOST = 2**31 - 1
# What a stranger uploaded is shown as a picture and never run.
_PICTURE_HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


@router.post(
    "/upload-data",
    summary="Upload Training Data",
    responses=refusal(413, "Beyond a limit of this server, or of your files together."),
    openapi_extra={"requestBody": _FORM},
)
async def upload_data(form: UploadDep, services: ServicesDep, caller: CallerDep) -> UploadAnswer:
    """Takes a ZIP with `main.csv` and `images/`, and checks every row, answer and image."""
    taken = await services.uploads.take(form, caller.owner)
    skipped = [
        SkippedRow(
            row=bad.number, code=bad.message.code, message=bad.describe().say(taken.language)
        )
        for bad in taken.bad_rows[:MOST_SKIPPED_LISTED]
    ]
    return UploadAnswer.model_validate(taken.file, update={"skipped": skipped})


@router.get("/files", summary="List uploads")
async def list_files(services: ServicesDep, caller: CallerDep) -> list[FilePublic]:
    """Your uploads, newest first."""
    files = await services.files.run(services.files.newest_first, caller.sees_only)
    return [FilePublic.model_validate(file) for file in files]


@router.delete(
    "/files/{file_id}",
    summary="Delete an upload",
    responses={
        **_NO_SUCH_FILE,
        **refusal(409, "A job or a comparison that has not ended uses it."),
    },
)
async def delete_file(file: FileDep, services: ServicesDep) -> FilePublic:
    """Deletes the rows and the pictures; jobs that have ended keep what came of them."""
    await services.deletions.delete_file(file.file_id)
    return FilePublic.model_validate(file)


@router.get("/files/{file_id}/rows", summary="Rows of an upload", responses=_NO_SUCH_FILE)
async def list_rows(
    file: FileDep,
    services: ServicesDep,
    offset: Annotated[int, Query(ge=0, le=_MOST, description="Rows to pass over.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows to answer at most.")] = 100,
) -> RowsPage:
    """Rows in the order of their numbers, each with the name of its image."""
    rows = await services.pictures.rows(file)
    page = list(rows[offset : offset + limit])
    return RowsPage(file_id=file.file_id, csv_rows=len(rows), offset=offset, rows=page)


@router.get(
    "/files/{file_id}/images/{row}",
    summary="Picture of a row",
    response_class=Response,
    responses={
        **content("The picture.", "image/*", is_binary=True),
        **refusal(404, "There is no such file, or no such row."),
    },
)
async def get_picture(
    file: FileDep,
    row: Annotated[int, Path(ge=0, le=_MOST, description="The row.", examples=[2])],
    services: ServicesDep,
    max_side: Annotated[
        int | None,
        Query(
            ge=16, le=2048, description="Longest side of a JPEG in pixels; left out: as it is kept."
        ),
    ] = None,
) -> Response:
    """The picture that a row names, as it is kept, or as a small JPEG."""
    picture = await services.pictures.picture(file, row, max_side)
    return Response(picture.data, media_type=picture.content_type, headers=_PICTURE_HEADERS)
