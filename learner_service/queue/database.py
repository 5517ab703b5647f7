"""The learner's SQLite file: its tables, its version, its transactions."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from learner_service.errors import NewerDatabase
from learner_service.queue.migrations import MIGRATIONS, renew_fingerprints
from tally.host.full_disk import is_full_disk
from tally.rpc.errors import ResourceExhausted

_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    spec TEXT NOT NULL,
    created_at TEXT NOT NULL,
    status TEXT NOT NULL,
    phase TEXT NOT NULL,
    current_step INTEGER NOT NULL DEFAULT 0,
    total_steps INTEGER NOT NULL DEFAULT 0,
    loss REAL,
    error_message TEXT NOT NULL DEFAULT '',
    result_digest TEXT NOT NULL DEFAULT '',
    resumed_from_job_id TEXT NOT NULL DEFAULT '',
    last_seq INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS jobs_by_fingerprint ON jobs (fingerprint, number);
CREATE TABLE IF NOT EXISTS events (
    job_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    time TEXT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (job_id, seq)
) WITHOUT ROWID;
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Opens it, or makes it; an older one is brought up to date. Raises NewerDatabase."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 30000")
    try:
        _bring_up_to_date(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise NewerDatabase(
            f"learner.db is of version {version} and this learner knows those up to "
            f"{len(MIGRATIONS)}: start the release that wrote it, or a later one"
        )
    connection.executescript(_TABLES)
    with transaction(connection):
        for migrate in MIGRATIONS[version:]:
            migrate(connection)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        renew_fingerprints(connection)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it is on disk afterwards, or none; raises ResourceExhausted on a full disk."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        if is_full_disk(error):
            message = "no room on the learner's disk; free some and retry"
            raise ResourceExhausted(message) from error
        raise
