"""What was acknowledged against what is there."""

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx

from bench.faults.acknowledged import Acknowledged, JobRecord
from bench.faults.user import STEPS, User

_FIRST_ROW = 2


def judge(user: User, acknowledged: Acknowledged) -> dict[str, int]:
    """How often each promise was broken."""
    listed = user.ask("GET", "/jobs").json()
    ids = [job["job_id"] for job in listed]
    records = acknowledged.jobs
    return {
        "jobs_lost": sum(record.job_id not in ids for record in records),
        "jobs_doubled": len(ids) - len({job["job_name"] for job in listed}),
        "jobs_failed": sum(record.ended == "failed" for record in records),
        "cancels_lost": sum(r.cancelled and r.ended == "failed" for r in records),
        "events_missing": sum(record.events_missing for record in records),
        "events_twice": sum(record.events_seen_twice for record in records),
        "steps_out_of_order": sum(not _is_in_order(record) for record in records),
        "samples_of_another_adapter": sum(r.samples_of_another_adapter for r in records),
        "uploads_lost": sum(not _is_there(user, *one) for one in acknowledged.uploads.items()),
        "comparisons_lost": len(list(_lost_comparisons(user, acknowledged))),
        "answers_500": acknowledged.answers[500],
    }


def _is_in_order(record: JobRecord) -> bool:
    """Each step once, to the last one where the job is completed; one that was resumed may have
    none left to do."""
    steps = record.steps
    if not steps:
        return record.ended != "completed" or record.resumed
    gapless = steps == list(range(steps[0], steps[0] + len(steps)))
    return gapless and (record.ended != "completed" or steps[-1] == STEPS)


def count_differing(records: list[JobRecord], reference: dict[int, str]) -> int:
    """Completed jobs whose adapter is not byte for byte the undisturbed one of `reference`: an
    engine that batches groups as they arrive rounds otherwise, so this is told and breaks nothing.
    """
    completed = [record for record in records if record.ended == "completed"]
    return sum(record.adapter_digest != reference[record.variant] for record in completed)


def _is_there(user: User, file_id: str, picture_digest: str) -> bool:
    answer = user.ask("GET", f"/files/{file_id}/images/{_FIRST_ROW}")
    return hashlib.sha256(answer.content).hexdigest() == picture_digest


def _lost_comparisons(user: User, acknowledged: Acknowledged) -> Iterator[str]:
    for evaluation_id in acknowledged.comparisons:
        answer: httpx.Response = user.ask("GET", f"/evaluations/{evaluation_id}")
        found: dict[str, Any] = answer.json()
        if found.get("status") != "completed":
            yield evaluation_id
