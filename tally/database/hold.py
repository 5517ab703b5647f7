"""A PostgreSQL database that one process has alone; a SQLite file's folder is locked instead."""

import time

from sqlalchemy import Connection, Engine, text

from tally.database.errors import DatabaseInUse

_KEY = 0x7A12
_POLL_SECONDS = 0.1
_TRY = text("SELECT pg_try_advisory_lock(:key)")


class Hold:
    """Lasts as long as its connection, so that a killed process holds nothing."""

    def __init__(self, engine: Engine, wait_seconds: float) -> None:
        """Waits for one that is just ending. Raises DatabaseInUse."""
        self._connection: Connection | None = None
        if engine.dialect.name == "postgresql":
            self._connection = engine.connect()
            try:
                _wait_for_lock(self._connection, wait_seconds)
            except BaseException:
                self.release()
                raise

    def release(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()  # the lock goes with it, not back into the pool
            self._connection.close()
            self._connection = None


def _wait_for_lock(connection: Connection, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while not connection.execute(_TRY, {"key": _KEY}).scalar_one():
        if time.monotonic() > deadline:
            raise DatabaseInUse
        time.sleep(_POLL_SECONDS)
    connection.commit()
