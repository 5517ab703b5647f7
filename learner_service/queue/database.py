"""The learner's database, and what its errors are to whoever calls the learner."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy.exc

from learner_service.errors import NO_ROOM, StoreUnavailable
from learner_service.queue.migrations import versions
from learner_service.settings import LearnerSettings
from tally.database.database import Database
from tally.database.errors import AWAY
from tally.host.full_disk import is_full_disk
from tally.rpc.errors import ResourceExhausted


def open_database(settings: LearnerSettings) -> Database:
    """Makes it where there is none; an older one is brought up to date.

    Raises NewerDatabase, DatabaseInUse where another learner has it, and as `store_errors` does.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings, settings.data_dir / "learner.db", versions.__name__)
    try:
        with store_errors():
            database.hold()
            database.migrate()
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def store_errors() -> Iterator[None]:
    """Raises ResourceExhausted for a full disk, StoreUnavailable for a database that is away."""
    try:
        yield
    except sqlalchemy.exc.SQLAlchemyError as error:
        if is_full_disk(error):
            raise ResourceExhausted(NO_ROOM) from error
        if isinstance(error, AWAY):
            message = "the learner's database is busy or away; try again"
            raise StoreUnavailable(message) from error
        raise
