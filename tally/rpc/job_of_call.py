"""Which job a call is for: its metadata tells it, so that each service's log can say it."""

import re
from collections.abc import Sequence
from typing import Any

import grpc

from tally.logs.fields import current_fields

_HEADER = "tally-job-id"
_JOB_ID = re.compile("[0-9a-f-]{36}")

Metadata = Sequence[tuple[str, str]]


def job_metadata() -> Metadata:
    """What a call tells: the job that the log's lines concern here, if they do one."""
    job_id = _job_id_or_nothing(current_fields().get("job_id"))
    return [(_HEADER, job_id)] if job_id else []


def job_of_call(message: Any, context: grpc.aio.ServicerContext) -> str:
    """The job that the message names, or the metadata; empty for none."""
    if named := _job_id_or_nothing(getattr(message, "job_id", "")):
        return named
    told = [value for key, value in context.invocation_metadata() or () if key == _HEADER]
    return _job_id_or_nothing(told[0]) if told else ""


def _job_id_or_nothing(job_id: Any) -> str:
    """Nothing else is told on, nor written at the head of a line."""
    return job_id if isinstance(job_id, str) and _JOB_ID.fullmatch(job_id) else ""
