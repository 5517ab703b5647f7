"""The gateway's database: a SQLite file in its data folder, or PostgreSQL."""

from gateway.migrations import versions
from gateway.settings import GatewaySettings
from tally.database.database import Database


def open_database(settings: GatewaySettings) -> Database:
    return Database(settings, settings.data_dir / "gateway.sqlite3", versions.__name__)
