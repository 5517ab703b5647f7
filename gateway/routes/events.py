"""Live events of a job."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from gateway.http.event_response import EventStreamResponse
from gateway.routes.dependencies import CallerDep, JobDep, LanguageDep, ServicesDep
from gateway.routes.jobs import NO_SUCH_JOB

router = APIRouter(tags=["training"])
_MOST = 2**63 - 1

_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "The event's number."},
        "event": {"type": "string", "description": "What happened."},
        "data": {"type": "string", "description": "JSON with what there is to know of it."},
    },
}
_EXAMPLE = """id: 5
event: step
data: {"seq": 5, "time": "2025-01-20T10:30:00.125", "step": 1, "total_steps": 200, "loss": 0.125}

"""


@router.get(
    "/jobs/{job_id}/events",
    summary="Watch a job",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: worker, phase, step, samples, notice, "
            "held_out, evaluation_progress, evaluation, ended. `id` is the event's number. Ends "
            "after `ended`.",
            "content": {"text/event-stream": {"schema": _EVENT, "example": _EXAMPLE}},
        },
        **NO_SUCH_JOB,
    },
)
async def watch_job(
    job: JobDep,
    services: ServicesDep,
    caller: CallerDep,
    language: LanguageDep,
    *,
    after_seq: Annotated[
        int, Query(ge=0, le=_MOST, description="The last event you have.", examples=[4])
    ] = 0,
    last_event_id: Annotated[
        int | None,
        Header(
            alias="Last-Event-ID", ge=0, le=_MOST, description="As after_seq; browsers send it."
        ),
    ] = None,
) -> EventStreamResponse:
    """Every event after the last one you have, without a gap, then those to come."""
    start = after_seq if last_event_id is None else last_event_id
    streams = services.streams
    streams.check_room()
    lines = streams.lines(job.job_id, start, language, lambda: services.access.is_good(caller))
    return EventStreamResponse(lines, language, streams.slot())
