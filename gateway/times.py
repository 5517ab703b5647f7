"""Times as the document shows them: UTC, without a zone."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import NaiveDatetime, PlainSerializer


def now() -> datetime:
    """The time in UTC as a naive datetime, which both databases keep alike."""
    return datetime.now(UTC).replace(tzinfo=None)


def to_seconds(moment: datetime) -> str:
    """2025-01-20T10:30:00"""
    return moment.isoformat(timespec="seconds")


def to_milliseconds(moment: datetime) -> str:
    """2025-01-20T10:30:00.125"""
    return moment.isoformat(timespec="milliseconds")


def to_unix_seconds(moment: datetime) -> int:
    """1737369000, of a naive datetime in UTC."""
    return int(moment.replace(tzinfo=UTC).timestamp())


Time = Annotated[NaiveDatetime, PlainSerializer(to_seconds, return_type=str)]
