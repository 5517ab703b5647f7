"""The engine, its migrations, and sessions that read or write."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from sqlalchemy import URL, Connection, Engine, event, make_url, text
from sqlmodel import Session, create_engine

from gateway.settings import GatewaySettings

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x7A11
_SQLITE_CONNECTIONS = 30


class Database:
    """Sync sessions, to be used off the event loop. Raises OperationalError when it is away."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._timeout_seconds = settings.database_timeout_seconds
        self._engine = _engine(_url(settings), self._timeout_seconds)
        self._writing = self._engine.execution_options(tally_writes=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: commits when the block ends, rolls back when it raises."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    def migrate(self) -> None:
        """Brings the tables up to date; several gateways may start at once."""
        with self.migrating() as connection:
            alembic.command.upgrade(alembic_config(connection), "head")

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """One transaction in which no other gateway changes tables."""
        with self._writing.connect() as connection, _unchecked_keys(connection), connection.begin():
            if connection.dialect.name == "postgresql":
                lock = text("SELECT pg_advisory_xact_lock(:key)")
                connection.execute(lock, {"key": _MIGRATION_LOCK})
            yield connection

    def check(self) -> None:
        """Raises OperationalError where the database does not answer."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        self._engine.dispose()


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


def alembic_config(connection: Connection) -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _url(settings: GatewaySettings) -> URL:
    if settings.database_url is None:
        return URL.create("sqlite", database=str(settings.data_dir / "gateway.sqlite3"))
    url = make_url(settings.database_url.get_secret_value())
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _engine(url: URL, timeout_seconds: float) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(
            url,
            pool_pre_ping=True,
            pool_timeout=timeout_seconds,
            connect_args=_postgres_arguments(timeout_seconds),
        )
    engine = create_engine(
        url,
        pool_size=_SQLITE_CONNECTIONS,
        pool_timeout=timeout_seconds,
        connect_args={"timeout": timeout_seconds, "check_same_thread": False},
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgres_arguments(timeout_seconds: float) -> dict[str, Any]:
    """Bounds the waits for a server that is away, stopped, or holds a lock."""
    milliseconds = round(1000 * timeout_seconds)
    return {
        "connect_timeout": max(2, round(timeout_seconds)),
        "tcp_user_timeout": milliseconds,
        "options": f"-c lock_timeout={milliseconds}",
    }


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes too late: a transaction that reads before it writes could fail
    # at once with SQLITE_BUSY, whatever the time-out.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("tally_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
