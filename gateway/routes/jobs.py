"""Jobs: started, listed, looked at, cancelled."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import PlainTextResponse

from gateway.convert import JobStatus
from gateway.jobs.change_models import JobChanges
from gateway.jobs.job_lists import Chosen
from gateway.jobs.job_models import Job
from gateway.jobs.job_public import JobPublic, to_public
from gateway.jobs.preflight_models import Preflight
from gateway.jobs.tags import Tag
from gateway.jobs.train_models import TrainRequest, stored_request
from gateway.routes.dependencies import CallerDep, JobDep, LanguageDep, ServicesDep
from gateway.routes.responses import content, refusal
from gateway.services import Services
from tally.logs.fields import add_log_fields
from tally.messages.languages import Language

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
    language: LanguageDep,
    *,
    idempotency_key: IdempotencyKey = None,
    dry_run: Annotated[
        bool, Query(description="Answers what the job would do, and starts none.")
    ] = False,
) -> JobPublic | Preflight:
    """Writes a training job down and starts it when its turn comes.

    The settings and data of a cancelled or failed job go on from its last checkpoint. With
    `dry_run`, nothing is written: the data, the base model on some rows, memory, steps and time.
    """
    if dry_run:
        return await services.jobs.preflight(body, caller, language)
    job = await services.jobs.create(body, idempotency_key, caller)
    add_log_fields(job_id=job.job_id)
    return await _show(job, services, language)


async def _choose(
    status: Annotated[JobStatus | None, Query(description="Only those that stand so.")] = None,
    tag: Annotated[Tag | None, Query(description="Only those that have it.")] = None,
    q: Annotated[
        str | None,
        Query(
            max_length=200,
            description="Only those with this in their name, notes or tags, or at the beginning of "
            "their id.",
            examples=["apples"],
        ),
    ] = None,
    model: Annotated[
        str | None, Query(max_length=200, description="Only those of this base model.")
    ] = None,
) -> Chosen:
    return Chosen(status=status, tag=tag, text=q, model=model)


@router.get("/jobs", summary="List jobs")
async def list_jobs(
    services: ServicesDep,
    caller: CallerDep,
    language: LanguageDep,
    response: Response,
    *,
    chosen: Annotated[Chosen, Depends(_choose)],
    limit: Limit = None,
    offset: Offset = 0,
) -> list[JobPublic]:
    """Your jobs, newest first; or `limit` of them. The header X-Total-Count says how many."""
    jobs, total = await services.jobs.newest_first(caller.sees_only, chosen, limit, offset)
    response.headers["X-Total-Count"] = str(total)
    return await services.queue_places.show(jobs, language)


@router.get("/jobs/{job_id}", summary="Look at a job", responses=NO_SUCH_JOB)
async def get_job(job: JobDep, services: ServicesDep, language: LanguageDep) -> JobPublic:
    """Where a job stands."""
    return await _show(job, services, language)


@router.patch("/jobs/{job_id}", summary="Name, tag or annotate a job", responses=NO_SUCH_JOB)
async def update_job(
    job: JobDep, body: JobChanges, services: ServicesDep, language: LanguageDep
) -> JobPublic:
    """Whatever it is doing: none of this is part of its settings."""
    return await _show(await services.jobs.change(job.job_id, body), services, language)


async def _show(job: Job, services: Services, language: Language) -> JobPublic:
    (shown,) = await services.queue_places.show([job], language)
    return shown


@router.get(
    "/jobs/{job_id}/settings",
    summary="Settings of a job",
    responses={**NO_SUCH_JOB, **refusal(409, "They can't be read any more.")},
)
async def get_settings(job: JobDep) -> TrainRequest:
    """What POST /train was sent, with its defaults and the job's tags; it can be sent again."""
    return stored_request(job.spec).model_copy(update={"tags": job.tags})


@router.get(
    "/jobs/{job_id}/log",
    summary="Log of a job",
    response_class=Response,
    responses={
        **content("Lines of text.", "text/plain"),
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
async def cancel_job(
    job: JobDep, services: ServicesDep, language: LanguageDep, purge: Purge = False
) -> JobPublic:
    """Asks a job to stop; its checkpoint is kept. A job that has ended stays as it ended.

    With `purge`, a job that has ended is deleted: what it logged, its checkpoints and its adapter.
    Jobs that went on from it, and comparisons of its adapter, stay.
    """
    if purge:
        await services.deletions.delete_job(job.job_id)
        return to_public(job, language)
    return to_public(await services.jobs.cancel(job.job_id), language)
