"""A service's migrations, which lie in a package of its own, through Alembic."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import alembic.command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from tally.database.errors import NewerDatabase

_MIGRATION_LOCK = 0x7A11


def upgrade(engine: Engine, versions: str) -> None:
    """Brings the tables up to date with the package `versions`. Raises NewerDatabase."""
    with migrating(engine, versions) as config:
        _refuse_newer(config)
        alembic.command.upgrade(config, "head")


@contextmanager
def migrating(engine: Engine, versions: str) -> Iterator[Config]:
    """What Alembic's commands take, on one transaction in which nobody else changes tables."""
    with engine.connect() as connection, _unchecked_keys(connection), connection.begin():
        if connection.dialect.name == "postgresql":
            lock = text("SELECT pg_advisory_xact_lock(:key)")
            connection.execute(lock, {"key": _MIGRATION_LOCK})
        yield _config(connection, versions)


@contextmanager
def _unchecked_keys(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew, and until then its rows are missed by those that
    name them. Only outside of a transaction can it be told not to mind."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def _refuse_newer(config: Config) -> None:
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(config.attributes["connection"]).get_current_revision()
    try:
        if current is not None:
            scripts.get_revision(current)
    except CommandError as error:
        raise NewerDatabase(
            f"the database is of version {current} and this release knows those up to "
            f"{scripts.get_current_head()}: start the release that wrote it, or a later one"
        ) from error


def _config(connection: Connection, versions: str) -> Config:
    config = Config()
    for name, path in (
        ("script_location", Path(__file__).parent),
        ("version_locations", Path(str(files(versions)))),
    ):
        config.set_main_option(name, str(path).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config
