"""Blobs that no job needs: data and images of jobs that have ended, what was put and never used."""

import logging
import time

from learner_service.blobs.blob_store import BlobStore
from learner_service.job_folder.layout import JobFolder
from learner_service.queue.job_store import JobStore
from learner_service.settings import LearnerSettings

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 600.0


class UnclaimedBlobs:
    def __init__(self, settings: LearnerSettings, store: JobStore, blobs: BlobStore) -> None:
        self._data_dir = settings.data_dir
        self._kept_seconds = settings.blobs.unclaimed_seconds
        self._store = store
        self._blobs = blobs
        self._due = 0.0

    @property
    def pause_seconds(self) -> float:
        """Between two looks."""
        return min(_PAUSE_SECONDS, self._kept_seconds)

    def sweep_if_due(self, running_seconds: float = 0.0) -> None:
        """`running_seconds`: since the oldest job that runs has begun. The images that it needs are
        nobody's, and none was put before."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self.pause_seconds
        # A database of elsewhere would leave no blob here.
        if unknown := JobFolder.ids(self._data_dir) - self._known_ids():
            _log.warning("no blob is deleted: the database lacks %d jobs of here", len(unknown))
        else:
            self._blobs.delete_unclaimed(max(self._kept_seconds, running_seconds))

    def _known_ids(self) -> set[str]:
        return {job.job_id for job in self._store.all()} | self._store.deletions().keys()
