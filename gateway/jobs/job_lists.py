"""Jobs as they are listed: chosen, the newest first, page by page."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement
from sqlmodel import and_, func, or_, select

from gateway.ids import is_uuid
from gateway.jobs.job_models import Job
from gateway.jobs.tags import as_stored
from tally.database.database import Database

_JOBS: Any = Job.__table__  # type: ignore[attr-defined]
_NEWEST_FIRST = (_JOBS.c.created_at.desc(), _JOBS.c.job_id)


class Chosen(NamedTuple):
    """Which jobs are asked for; what is None, or empty, chooses none out.

    `text` is somewhere in the name, the notes or the tags, or begins the id. `model` is the base
    model; jobs that named none are of it where `is_default`.
    """

    status: Literal["training", "completed", "failed", "cancelled"] | None = None
    tag: str | None = None
    text: str | None = None
    model: str | None = None
    is_default: bool = False

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        if self.status is not None:
            yield _JOBS.c.status == self.status
        if self.tag is not None:
            yield _JOBS.c.stored_tags.contains(as_stored([self.tag]), autoescape=True)
        if self.text:
            yield _has_text(self.text)
        if self.model is not None:
            named = _JOBS.c.spec["model"].as_string()
            same = named == self.model
            yield or_(same, named.is_(None)) if self.is_default else same


def _has_text(text: str) -> ColumnElement[bool]:
    lowered = text.lower()
    columns = (_JOBS.c.job_name, _JOBS.c.notes, _JOBS.c.stored_tags)
    found = [func.lower(column).contains(lowered, autoescape=True) for column in columns]
    return or_(*found, _JOBS.c.job_id.startswith(lowered, autoescape=True))


class JobLists:
    """Sync; to be called through `run`. Raises SQLAlchemyError where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.run = database.run

    def page(
        self,
        kind: str,
        owner: str | None,
        chosen: Chosen = Chosen(),
        limit: int | None = None,
        offset: int = 0,
    ) -> tuple[Sequence[Job], int]:
        """Some of an owner's jobs of a kind, newest first, and how many there are; of everybody's
        where `owner` is None."""
        wanted = and_(_of(kind, owner), *chosen.conditions())
        query = _JOBS.select().where(wanted).order_by(*_NEWEST_FIRST)
        if limit is None and not offset:
            jobs = self._database.select(Job, query)
            return jobs, len(jobs)
        jobs = self._database.select(Job, query.limit(limit).offset(offset))
        count = select(func.count(_JOBS.c.job_id)).where(wanted)
        with self._database.reading() as session:
            return jobs, session.exec(count).one()

    def newest_first(
        self, kind: str, owner: str | None, parent_job_id: str | None = None
    ) -> Sequence[Job]:
        """All of them; where `parent_job_id` is given, those of its adapter."""
        query = _JOBS.select().where(_of(kind, owner))
        if parent_job_id is not None and not is_uuid(parent_job_id):
            return []
        if parent_job_id is not None:
            query = query.where(_JOBS.c.parent_job_id == parent_job_id)
        return self._database.select(Job, query.order_by(*_NEWEST_FIRST))


def _of(kind: str, owner: str | None) -> ColumnElement[bool]:
    of_kind = _JOBS.c.kind == kind
    return of_kind if owner is None else and_(of_kind, _JOBS.c.owner == owner)
