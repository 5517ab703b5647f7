"""Job stores of a folder, for tests."""

from collections.abc import Callable
from pathlib import Path

from learner_service.events import Event
from learner_service.queue.database import open_database
from learner_service.queue.job_store import JobStore
from learner_service.settings import LearnerSettings


def open_store(
    data_dir: Path, note: Callable[[Event], None] = lambda event: None, **settings: object
) -> JobStore:
    """Of `learner.db` in the folder, or at the `database_url` that is given."""
    return JobStore(open_database(LearnerSettings(data_dir=data_dir, **settings)), note)
