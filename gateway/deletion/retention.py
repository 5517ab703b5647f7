"""What has been kept for as long as the operator wants it kept."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from gateway.deletion.ages import Ages
from gateway.deletion.deletion_store import DeletionStore
from gateway.errors import Conflict, Missing
from gateway.jobs.job_models import EVALUATION, PREDICTION, TRAINING
from gateway.settings import GatewaySettings
from gateway.storage import Storage, size_bytes
from gateway.times import now
from tally.database.database import Database

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 3600.0
FILE, JOB, COMPARISON, PREDICTED = "file", "job", "comparison", "prediction"
_STORED_KINDS = {JOB: TRAINING, COMPARISON: EVALUATION, PREDICTED: PREDICTION}


class Outdated(NamedTuple):
    """What nobody has used since then, or what ended then; `bytes_here` are those at the
    gateway."""

    kind: str
    id: str
    owner: str
    name: str
    since: datetime
    bytes_here: int


class Retention:
    """Keeps nothing for longer than the settings say; what is in use stays."""

    def __init__(self, settings: GatewaySettings, storage: Storage, database: Database) -> None:
        self._settings = settings
        self._storage = storage
        self._ages = Ages(database)
        self._store = DeletionStore(database)

    @property
    def is_on(self) -> bool:
        return any(days is not None for days in self._days().values())

    def _days(self) -> dict[str, float | None]:
        return {
            FILE: self._settings.file_retention_days,
            JOB: self._settings.job_retention_days,
            COMPARISON: self._settings.comparison_retention_days,
            PREDICTED: self._settings.prediction_retention_days,
        }

    def find(self) -> list[Outdated]:
        """Sync, as `apply`. Raises SQLAlchemyError where the database is away."""
        found: list[Outdated] = []
        for kind, days in self._days().items():
            if days is not None:
                before = now() - timedelta(days=days)
                found += self._files(before) if kind == FILE else self._jobs(kind, before)
        return found

    def apply(self) -> list[Outdated]:
        """Deletes what `find` finds, and returns what went: what was used since then stays."""
        gone = []
        for one in self.find():
            delete = self._store.delete_file if one.kind == FILE else self._store.delete_job
            with suppress(Conflict, Missing):
                delete(one.id)
                gone.append(one)
        return gone

    async def run(self) -> None:
        """Runs on, where something is kept for a time only."""
        while self.is_on:
            try:
                for one in await asyncio.to_thread(self.apply):
                    since = f"{one.since:%Y-%m-%d}"
                    _log.info("%s %s went with age: of no use since %s", one.kind, one.id, since)
            except SQLAlchemyError as error:
                _log.warning("cannot look for what is too old: %s", type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)

    def _files(self, before: datetime) -> Iterator[Outdated]:
        for file, since in self._ages.unused_files(before):
            bytes_here = size_bytes(self._storage.dataset_path(file.dataset_digest))
            yield Outdated(FILE, file.file_id, file.owner, file.filename, since, bytes_here)

    def _jobs(self, kind: str, before: datetime) -> Iterator[Outdated]:
        for job, reports, since in self._ages.ended_jobs(_STORED_KINDS[kind], before):
            paths = [
                self._storage.result_path(job.job_id),
                self._storage.best_path(job.job_id),
                *map(self._storage.report_path, reports),
            ]
            bytes_here = sum(map(size_bytes, paths))
            yield Outdated(kind, job.job_id, job.owner, job.job_name, since, bytes_here)
