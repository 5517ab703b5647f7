"""Jobs: started, listed, looked at, cancelled."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import PlainTextResponse

from gateway.jobs.job_models import JobPublic, to_public
from gateway.jobs.preflight_models import Preflight
from gateway.jobs.train_models import TrainRequest, stored_request
from gateway.routes.dependencies import CallerDep, JobDep, ServicesDep
from gateway.routes.responses import refusal
from tally.logs.fields import add_log_fields

router = APIRouter(tags=["training"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Your name for this request: the same key and body again is the same job.",
        examples=["apples-2025-01-20"],
    ),
]
Limit = Annotated[
    int | None,
    Query(ge=1, le=10_000, description="Jobs to answer at most; all if left out.", examples=[50]),
]
Offset = Annotated[
    int, Query(ge=0, le=2**31, description="Jobs to pass over, the newest.", examples=[0])
]
Purge = Annotated[bool, Query(description="Deletes what has ended, with all that hangs on it.")]
STILL_NEEDED = refusal(409, "With `purge`: it has not ended, or another job goes on from it.")
NO_SUCH_JOB = refusal(404, "There is no such job.")


@router.post(
    "/train",
    summary="Start training",
    responses=refusal(404, "There is no such file."),
)
async def train(
    body: TrainRequest,
    services: ServicesDep,
    caller: CallerDep,
    idempotency_key: IdempotencyKey = None,
    dry_run: Annotated[
        bool, Query(description="Answers what the job would do, and starts none.")
    ] = False,
) -> JobPublic | Preflight:
    """Writes a training job down and starts it once the jobs before it have ended.

    The settings and data of a cancelled or failed job go on from its last checkpoint. With
    `dry_run`, nothing is written: the data, the base model on some rows, memory, steps and time.
    """
    if dry_run:
        return await services.jobs.preflight(body, caller)
    job = await services.jobs.create(body, idempotency_key, caller)
    add_log_fields(job_id=job.job_id)
    return to_public(job)


@router.get("/jobs", summary="List jobs")
async def list_jobs(
    services: ServicesDep,
    caller: CallerDep,
    response: Response,
    limit: Limit = None,
    offset: Offset = 0,
) -> list[JobPublic]:
    """Your jobs, newest first; or `limit` of them. The header X-Total-Count says how many."""
    jobs, total = await services.jobs.newest_first(caller.sees_only, limit, offset)
    response.headers["X-Total-Count"] = str(total)
    return [to_public(job) for job in jobs]


@router.get("/jobs/{job_id}", summary="Look at a job", responses=NO_SUCH_JOB)
async def get_job(job: JobDep) -> JobPublic:
    """Where a job stands."""
    return to_public(job)


@router.get(
    "/jobs/{job_id}/settings",
    summary="Settings of a job",
    responses={**NO_SUCH_JOB, **refusal(409, "They can't be read any more.")},
)
async def get_settings(job: JobDep) -> TrainRequest:
    """What POST /train was sent, every default filled in; it can be sent again."""
    return stored_request(job.spec)


@router.get(
    "/jobs/{job_id}/log",
    summary="Log of a job",
    response_class=Response,
    responses={
        200: {"description": "Lines of text.", "content": {"text/plain": {}}},
        **NO_SUCH_JOB,
    },
)
async def get_log(
    job: JobDep,
    services: ServicesDep,
    lines: Annotated[
        int, Query(ge=1, le=10_000, description="Lines to answer at most, the last ones.")
    ] = 200,
) -> PlainTextResponse:
    """The end of what its workers printed, a MiB at most; empty before there is a worker."""
    return PlainTextResponse(await services.jobs.log(job.job_id, lines))


@router.delete(
    "/jobs/{job_id}",
    summary="Cancel a job, or delete it",
    responses={**NO_SUCH_JOB, **STILL_NEEDED},
)
async def cancel_job(job: JobDep, services: ServicesDep, purge: Purge = False) -> JobPublic:
    """Asks a job to stop; its checkpoint is kept. A job that has ended stays as it ended.

    With `purge`, a job that has ended is deleted: what it logged, its checkpoints and its adapter.
    Jobs that went on from it, and comparisons of its adapter, stay.
    """
    if purge:
        await services.deletions.delete_job(job.job_id)
        return to_public(job)
    return to_public(await services.jobs.cancel(job.job_id))
