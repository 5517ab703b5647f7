"""The gateway's database: a SQLite file in its data folder, or PostgreSQL."""

from gateway.migrations import versions
from gateway.settings import GatewaySettings
from tally.database.database import Database


def open_database(settings: GatewaySettings) -> Database:
    url = settings.url(settings.data_dir / "gateway.sqlite3")
    return Database(url, settings.database_timeout_seconds, versions.__name__)
