"""Engines of PostgreSQL: a driver whose every wait ends."""

from collections.abc import Callable
from typing import Any

import psycopg
from sqlalchemy import URL, Engine, event
from sqlmodel import create_engine

from tally.database.call import seconds_left
from tally.database.errors import AnswerTimeout

_PostgresConnection = psycopg.Connection[tuple[Any, ...]]


class _LateAnswer(AnswerTimeout, psycopg.OperationalError):
    """As SQLAlchemy knows it."""


def open_postgres(
    url: URL, timeout_seconds: float, connections: int, read_json: Callable[[str], Any]
) -> Engine:
    """As `engines.open_engine`."""
    engine = create_engine(
        url,
        json_deserializer=read_json,
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
            options["timeout"] = seconds_left(timeout_seconds)
            try:
                return super().wait(gen, *arguments, **options)
            except psycopg.errors._WaitTimeout as error:
                self.close()
                raise _LateAnswer("the database did not answer in time") from error

    return ConnectionWithDeadline
