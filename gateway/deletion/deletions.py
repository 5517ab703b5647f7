"""What hangs on a file or a job, after its row: here, and at the learner."""

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from gateway.deletion.deletion_models import Deletion, Kind
from gateway.deletion.deletion_store import DeletionStore
from gateway.learner_client import LearnerClient
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from tally.rpc.errors import FailedPrecondition, TallyError

_log = logging.getLogger(__name__)


class Deletions:
    """Deletes, and goes on with what it, or a gateway that was lost, could not end."""

    def __init__(
        self,
        settings: GatewaySettings,
        storage: Storage,
        store: DeletionStore,
        learner: LearnerClient,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._store = store
        self._learner = learner

    async def delete_file(self, file_id: str) -> None:
        """Raises Conflict, or Missing. What can't go at once goes as soon as it can."""
        await self._delete(self._store.delete_file, file_id)

    async def delete_job(self, job_id: str) -> None:
        """As `delete_file`; of a job or a comparison."""
        await self._delete(self._store.delete_job, job_id)

    async def _delete(self, begin: Callable[[str], Deletion], deleted_id: str) -> None:
        deletion = await self._storage.with_room(lambda: self._store.run(begin, deleted_id))
        await self._try_to_end(deletion)

    async def run(self) -> None:
        """Runs on."""
        while True:
            try:
                for deletion in await self._store.run(self._store.begun):
                    await self._try_to_end(deletion)
            except SQLAlchemyError as error:
                _log.warning("cannot look for what is to go: %s", type(error).__name__)
            await asyncio.sleep(self._settings.max_retry_seconds)

    async def _try_to_end(self, deletion: Deletion) -> None:
        try:
            await self._end(deletion)
        except (TallyError, SQLAlchemyError, OSError) as error:
            what = f"{deletion.kind} {deletion.deleted_id}"
            _log.warning("%s: %s; its deletion is tried again", what, type(error).__name__)
            _log.debug("%s", what, exc_info=error)

    async def _end(self, deletion: Deletion) -> None:
        """As often as one likes."""
        if deletion.kind == Kind.FILE:
            await self._remove_file(deletion)
        else:
            await self._remove_job(deletion)
        await self._store.run(self._store.end, deletion.deleted_id)

    async def _remove_file(self, deletion: Deletion) -> None:
        self._storage.rows_path(deletion.deleted_id).unlink(missing_ok=True)
        async with self._storage.hold_datasets():
            for digest in deletion.digests:
                if not await self._store.run(self._store.names_dataset, digest):
                    self._storage.dataset_path(digest).unlink(missing_ok=True)

    async def _remove_job(self, deletion: Deletion) -> None:
        for path in (self._storage.result_path, self._storage.best_path):
            path(deletion.deleted_id).unlink(missing_ok=True)
        self._storage.forget_batch(deletion.deleted_id)
        # An equal report of another job is brought again when it is asked for.
        for digest in deletion.digests:
            self._storage.report_path(digest).unlink(missing_ok=True)
        await self._delete_at_learner(deletion.deleted_id)

    async def _delete_at_learner(self, job_id: str) -> None:
        try:
            await self._learner.delete(job_id)
        except FailedPrecondition:  # it runs there, and ended here for another reason
            await self._learner.cancel(job_id, self._settings.cancel_wait_seconds)
            raise
