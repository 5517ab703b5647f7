"""A webhook as it is kept until it has arrived."""

import json
from datetime import datetime

from pydantic import NaiveDatetime
from sqlmodel import Field, SQLModel

from gateway.times import now, to_seconds

MOST_URL_CHARACTERS = 2_000


class Webhook(SQLModel, table=True):
    """`body` is sent as it is, however often it is tried; `next_at` says when it is next."""

    __tablename__ = "webhooks"

    webhook_id: str = Field(primary_key=True, max_length=64)
    url: str = Field(max_length=MOST_URL_CHARACTERS)
    body: str
    attempts: int = 0
    next_at: NaiveDatetime = Field(index=True)


def webhook_id_of(job_id: str) -> str:
    """One for each job: the receiver knows it again by it."""
    return f"ended_{job_id}"


def webhook_of_end(
    url: str, job_id: str, *, job_name: str, status: str, error_message: str | None
) -> Webhook:
    """What tells that a job has ended."""
    at: datetime = now()
    data = {
        "job_id": job_id,
        "job_name": job_name,
        "status": status,
        "error_message": error_message,
    }
    body = {"type": "job.ended", "timestamp": f"{to_seconds(at)}Z", "data": data}
    text = json.dumps(body, ensure_ascii=False)
    return Webhook(webhook_id=webhook_id_of(job_id), url=url, body=text, next_at=at)
