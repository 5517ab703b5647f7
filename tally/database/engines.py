"""Engines whose every wait for the database ends."""

import json
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, event
from sqlmodel import create_engine

_PostgresConnection = psycopg.Connection[tuple[Any, ...]]


class AnswerTimeout(psycopg.OperationalError):
    """The server has not answered in time; the connection to it is closed."""


def open_engine(url: URL, timeout_seconds: float, connections: int) -> Engine:
    """At most so many connections; a call that finds none free, waits as long as for the rest."""
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url, timeout_seconds, connections)
    return _open_postgres(url, timeout_seconds, connections)


def _read_json(text: str) -> Any:
    """One row that can't be read costs those beside it nothing: it reads as None."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def begin_writing(engine: Engine) -> Engine:
    """The same engine, whose transactions are those of the only writer from their first moment."""
    return engine.execution_options(tally_writes=True)


def _open_sqlite(url: URL, timeout_seconds: float, connections: int) -> Engine:
    engine = create_engine(
        url,
        json_deserializer=_read_json,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout_seconds,
        connect_args={"timeout": timeout_seconds, "check_same_thread": False},
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes too late: a transaction that reads before it writes could fail
    # at once with SQLITE_BUSY, whatever the time-out.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("tally_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_postgres(url: URL, timeout_seconds: float, connections: int) -> Engine:
    engine = create_engine(
        url,
        json_deserializer=_read_json,
        pool_pre_ping=True,
        pool_size=min(5, connections),
        max_overflow=max(0, connections - 5),
        pool_timeout=timeout_seconds,
        connect_args=_postgres_arguments(timeout_seconds),
    )
    connection_class = _with_deadline(timeout_seconds)

    def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> _PostgresConnection:
        return connection_class.connect(*arguments, **options)

    event.listen(engine, "do_connect", connect)
    return engine


def _postgres_arguments(timeout_seconds: float) -> dict[str, Any]:
    """Bounds the waits for a server that is away, or holds a lock; and the server's for a client
    whose machine has died, which may hold one."""
    milliseconds = round(1000 * timeout_seconds)
    options = {
        "lock_timeout": milliseconds,
        "tcp_keepalives_idle": 30,
        "tcp_keepalives_interval": 10,
        "tcp_keepalives_count": 3,
    }
    return {
        "connect_timeout": max(2, round(timeout_seconds)),
        "tcp_user_timeout": milliseconds,
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }


def _with_deadline(timeout_seconds: float) -> type[_PostgresConnection]:
    """A kind of connection that gives up a server which was stopped: the kernel answers for it, so
    that no time-out of TCP ends the wait."""

    class ConnectionWithDeadline(psycopg.Connection[Any]):
        def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
            options["timeout"] = timeout_seconds
            try:
                return super().wait(gen, *arguments, **options)
            except psycopg.errors._WaitTimeout as error:
                self.close()
                raise AnswerTimeout("the database did not answer in time") from error

    return ConnectionWithDeadline
