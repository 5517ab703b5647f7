"""The gateway's database: a SQLite file in its data folder, or PostgreSQL."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy.exc import SQLAlchemyError

from gateway.migrations import versions
from gateway.settings import GatewaySettings
from tally.database.database import Database
from tally.database.errors import NewerDatabase


def open_database(settings: GatewaySettings) -> Database:
    return Database(settings, settings.data_dir / "gateway.sqlite3", versions.__name__)


@contextmanager
def database_or_exit(settings: GatewaySettings) -> Iterator[Database]:
    """Up to date, for a command: it exits with 1 and a sentence where a later release wrote the
    data, or the database is away."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with closing(open_database(settings)) as database:
        try:
            database.migrate()
            yield database
        except NewerDatabase as error:
            sys.exit(str(error))
        except SQLAlchemyError as error:
            sys.exit(f"the database is busy or away ({type(error).__name__}); try again")
