"""Jobs: started, looked at, cancelled, deleted."""

from collections.abc import Sequence
from typing import Literal

from tally.client.answers import JobPublic, Metrics, Preflight, Reward, ShownAnswers, TrainRequest
from tally.client.call import ANSWER_SECONDS, Call, delete, read_json, read_text

_JOB = "/jobs/{job_id}"


def start_training(request: TrainRequest, idempotency_key: str | None = None) -> Call[JobPublic]:
    """Writes a job down; the same key and request again is the same job."""
    headers = {"Idempotency-Key": idempotency_key}
    return Call(method="POST", route="/train", body=request, headers=headers, read=read_json)


def preflight(request: TrainRequest) -> Call[Preflight]:
    """What such a job would do; starts nothing."""
    return Call(
        method="POST",
        route="/train",
        body=request,
        query={"dry_run": True},
        read=read_json,
        timeout_seconds=ANSWER_SECONDS,
    )


def list_rewards() -> Call[list[Reward]]:
    """Those that a training may name."""
    return Call(method="GET", route="/rewards", read=read_json)


def list_jobs(
    limit: int | None = None,
    offset: int = 0,
    *,
    status: Literal["training", "completed", "failed", "cancelled"] | None = None,
    tag: str | None = None,
    text: str | None = None,
    model: str | None = None,
) -> Call[list[JobPublic]]:
    """The newest first, all of them without a `limit`; those with a status, a tag, a base model,
    and with `text` in their name, notes or tags, or at the beginning of their id."""
    query = {"limit": limit, "offset": offset or None, "status": status, "tag": tag}
    query |= {"q": text, "model": model}
    return Call(method="GET", route="/jobs", query=query, read=read_json)


def update_job(
    job_id: str,
    *,
    job_name: str | None = None,
    tags: Sequence[str] | None = None,
    notes: str | None = None,
) -> Call[JobPublic]:
    """Names, tags and annotates a job; what is None stays as it is, and `tags` are all of them."""
    changes = {"job_name": job_name, "tags": tags, "notes": notes}
    body = {name: value for name, value in changes.items() if value is not None}
    return Call(method="PATCH", route=_JOB, ids={"job_id": job_id}, body=body, read=read_json)


def get_job(job_id: str) -> Call[JobPublic]:
    """Where a job stands; a comparison's id is a job's, too."""
    return Call(method="GET", route=_JOB, ids={"job_id": job_id}, read=read_json)


def get_settings(job_id: str) -> Call[TrainRequest]:
    """The request that started the job, every default filled in; it can be sent again."""
    ids = {"job_id": job_id}
    return Call(method="GET", route=f"{_JOB}/settings", ids=ids, read=read_json)


def get_log(job_id: str, lines: int = 200) -> Call[str]:
    """The last lines of what the job's workers printed."""
    return Call(
        method="GET",
        route=f"{_JOB}/log",
        ids={"job_id": job_id},
        query={"lines": lines},
        read=read_text,
    )


def cancel_job(job_id: str) -> Call[JobPublic]:
    """Asks a job, or a comparison, to stop; one that has ended stays as it ended."""
    return delete(_JOB, {"job_id": job_id})


def delete_job(job_id: str) -> Call[JobPublic]:
    """Deletes a job that has ended, with all that hangs on it."""
    return delete(_JOB, {"job_id": job_id}, purge=True)


def get_metrics(job_id: str, max_points: int | None = None) -> Call[Metrics]:
    """What each step measured so far, or a curve of `max_points` through it."""
    return Call(
        method="GET",
        route=f"{_JOB}/metrics",
        ids={"job_id": job_id},
        query={"max_points": max_points},
        read=read_json,
    )


def get_samples(job_id: str, steps: int = 100) -> Call[ShownAnswers]:
    """What the model said, the newest step first."""
    return Call(
        method="GET",
        route=f"{_JOB}/samples",
        ids={"job_id": job_id},
        query={"steps": steps},
        read=read_json,
    )
