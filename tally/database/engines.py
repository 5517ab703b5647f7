"""Engines whose every wait for the database ends."""

import json
from math import ceil
from typing import Any

from sqlalchemy import URL, Connection, Engine, event
from sqlmodel import create_engine

from tally.database.call import seconds_left


def open_engine(url: URL, timeout_seconds: float, connections: int) -> Engine:
    """At most so many connections; a call that finds none free, waits as long as for the rest."""
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url, timeout_seconds, connections)
    # Whose driver takes long to be imported.
    from tally.database.postgres import open_postgres  # noqa: PLC0415

    return open_postgres(url, timeout_seconds, connections, read_json)


def read_json(text: str) -> Any:
    """One row that can't be read costs those beside it nothing: it reads as None."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def begin_writing(engine: Engine) -> Engine:
    """The same engine, whose transactions are those of the only writer from their first moment."""
    return engine.execution_options(tally_begins="BEGIN IMMEDIATE")


def begin_nothing(engine: Engine) -> Engine:
    """The same engine for single statements: SQLite takes each for a transaction of its own."""
    return engine.execution_options(tally_begins=None)


def _open_sqlite(url: URL, timeout_seconds: float, connections: int) -> Engine:
    engine = create_engine(
        url,
        json_deserializer=read_json,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout_seconds,
        connect_args={"timeout": timeout_seconds, "check_same_thread": False},
    )
    event.listen(engine, "connect", _configure_sqlite)

    def begin(connection: Connection) -> None:
        _begin_sqlite(connection, seconds_left(timeout_seconds))

    event.listen(engine, "begin", begin)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes too late: a transaction that reads before it writes could fail
    # at once with SQLITE_BUSY, whatever the time-out.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection, timeout_seconds: float) -> None:
    pooled = connection.connection
    # In tenths of a second, so that it seldom is another than the connection's last one.
    timeout_milliseconds = 100 * ceil(10 * timeout_seconds)
    if pooled.info.get("busy_timeout") != timeout_milliseconds:
        driver: Any = pooled.driver_connection
        driver.execute(f"PRAGMA busy_timeout={timeout_milliseconds}")
        pooled.info["busy_timeout"] = timeout_milliseconds
    if statement := connection.get_execution_options().get("tally_begins", "BEGIN"):
        connection.exec_driver_sql(statement)
