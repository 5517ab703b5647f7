"""What a job yields: metrics, the evaluation, the adapter."""

import re
from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Query
from fastapi.responses import FileResponse, Response, StreamingResponse

from gateway.http.accept_language import about_language
from gateway.http.ranges import check_range
from gateway.jobs.adapters import bring_adapter, merge_adapter
from gateway.jobs.job_models import Checkpoint
from gateway.results.report_models import Evaluation
from gateway.routes.dependencies import JobDep, LanguageDep, ServicesDep
from gateway.routes.jobs import NO_SUCH_JOB
from gateway.routes.responses import content, refusal
from gateway.steps.metric_models import Metrics
from gateway.steps.shown_models import ShownAnswers

router = APIRouter(tags=["results"])
_UNSAFE = re.compile(r'[\\/:*?"<>|]')


class DownloadForm(StrEnum):
    """What a download holds."""

    ADAPTER = "adapter"
    MERGED = "merged"


MaxPoints = Annotated[
    int | None,
    Query(
        ge=1,
        le=100_000,
        description="Beyond as many steps, means of neighbours are answered, and the last step.",
        examples=[1000],
    ),
]
# What a model said is shown and never run.
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_PAGE_HEADERS = {"Content-Security-Policy": _PAGE_POLICY}
Which = Annotated[
    Checkpoint,
    Query(
        description="The adapter of the last step, or of the one that answered best what is held "
        "out, by evaluation_steps.",
        examples=["best"],
    ),
]
_NOT_YET = refusal(409, "There is none, or none yet.")


class _Download(FileResponse):
    """A way to a thread and back costs as much as reading a block of starlette's own size."""

    chunk_size = 1024**2


@router.get(
    "/jobs/{job_id}/metrics",
    summary="Metrics of every step",
    response_model=Metrics,
    responses=NO_SUCH_JOB,
)
async def get_metrics(job: JobDep, services: ServicesDep, max_points: MaxPoints = None) -> Response:
    """What each optimizer step measured so far, or a curve of `max_points` through it."""
    return _json(await services.curves.answer(job, max_points))


@router.get(
    "/jobs/{job_id}/samples",
    summary="Answers of the latest steps",
    response_model=ShownAnswers,
    responses=NO_SUCH_JOB,
)
async def get_samples(
    job: JobDep,
    services: ServicesDep,
    steps: Annotated[int, Query(ge=1, le=100, description="Steps to answer at most.")] = 100,
) -> Response:
    """What the model said, of some groups of the latest steps and of steps before."""
    return _json(await services.shown_steps.answer(job, steps))


def _json(text: bytes) -> Response:
    return Response(text, media_type="application/json")


@router.get(
    "/jobs/{job_id}/evaluation",
    summary="Base against adapter",
    responses={**NO_SUCH_JOB, **_NOT_YET},
)
async def get_job_evaluation(
    job: JobDep, services: ServicesDep, language: LanguageDep
) -> Evaluation:
    """On `evaluation_file_id`, or on the images that were held out of training."""
    return (await services.reports.evaluation(job)).said_in(language)


@router.get(
    "/jobs/{job_id}/evaluation.csv",
    summary="Every answer of the evaluation",
    response_class=Response,
    responses={
        **content("A table.", "text/csv"),
        **NO_SUCH_JOB,
        **_NOT_YET,
    },
)
async def get_job_evaluation_csv(job: JobDep, services: ServicesDep) -> Response:
    """One line for each row and model."""
    data = await services.reports.file(job, "evaluation.csv")
    headers = {"Content-Disposition": 'attachment; filename="evaluation.csv"'}
    return Response(data, media_type="text/csv; charset=utf-8", headers=headers)


@router.get(
    "/jobs/{job_id}/evaluation.html",
    summary="The evaluation as a page",
    response_class=Response,
    responses={
        **content("A page.", "text/html"),
        **NO_SUCH_JOB,
        **_NOT_YET,
    },
)
async def get_job_evaluation_page(
    job: JobDep, services: ServicesDep, language: LanguageDep
) -> Response:
    """With its pictures in it: it opens from disk, without a network. In the language that the
    header Accept-Language asks for; reports of earlier versions are in English alone."""
    data, written_in = await services.reports.page(job, language)
    headers = _PAGE_HEADERS | about_language(written_in)
    return Response(data, media_type="text/html; charset=utf-8", headers=headers)


@router.get(
    "/jobs/{job_id}/download",
    summary="Download the adapter",
    response_class=Response,
    responses={
        **content("The folder, or the merged model.", "application/zip", is_binary=True),
        **content(
            "The bytes that the Range header names.", "application/zip", is_binary=True, status=206
        ),
        **refusal(416, "The Range header names no bytes of the file."),
        **NO_SUCH_JOB,
        **_NOT_YET,
    },
)
async def download_adapter(
    job: JobDep,
    services: ServicesDep,
    checkpoint: Which = "last",
    byte_range: Annotated[
        str | None,
        Header(alias="Range", description="Part of the file.", examples=["bytes=0-1023"]),
    ] = None,
    form: Annotated[
        DownloadForm,
        Query(description="Whether the base model comes along, with the adapter in its weights."),
    ] = DownloadForm.ADAPTER,
) -> Response:
    """The trained adapter with its configuration, named after the job; may be fetched in parts.

    Of a job that was cancelled or has failed, that of its last checkpoint. With `form=merged`: a
    model that needs no PEFT. It is made while it is sent, and comes only whole.
    """
    name = _UNSAFE.sub("_", job.job_name).strip(". ") or job.job_id
    name = name if checkpoint == "last" else f"{name}.{checkpoint}"
    if form is DownloadForm.MERGED:
        pieces = await merge_adapter(services.results, job, checkpoint)
        headers = {"Content-Disposition": _attachment(f"{name}.merged.zip")}
        return StreamingResponse(pieces, media_type="application/zip", headers=headers)
    path = await bring_adapter(services.results, job, checkpoint)
    stat = path.stat()
    check_range(byte_range, stat.st_size)
    headers = {"Content-Disposition": _attachment(f"{name}.zip")}
    return _Download(path, media_type="application/zip", headers=headers, stat_result=stat)


def _attachment(filename: str) -> str:
    """The name twice: curl and others do not read the one that may hold any character."""
    plain = "".join(mark if mark.isascii() else "_" for mark in filename)
    return f"attachment; filename=\"{plain}\"; filename*=utf-8''{quote(filename)}"
