"""What is given up in time, done once more, or refused; on real databases."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from gateway.migrations import versions
from tally.database.call import Call
from tally.database.database import Database
from tally.database.errors import DatabaseTimeout, NewerDatabase
from tally.database.settings import DatabaseSettings
from tally.database.version import newest_version
from tests.waiting import eventually


class Settings(DatabaseSettings):
    pass


def open_database(file: Path, **settings: object) -> Database:
    return Database(Settings(database_timeout_seconds=2, **settings), file, versions.__name__)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "one.db")
    yield database
    database.close()


@pytest.fixture
def on_postgres(postgres) -> Iterator[Database]:
    database = open_database(Path("unused"), database_url=postgres.create())
    yield database
    database.close()


def ask(database: Database, question: str) -> object:
    with database.reading() as session:
        return session.execute(text(question)).scalar()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_an_address_is_understood(postgres, scheme: str):
    _, _, rest = postgres.create().get_secret_value().partition("://")
    database = open_database(Path("unused"), database_url=f"{scheme}://{rest}")
    assert str(ask(database, "SELECT version()")).startswith("PostgreSQL")
    database.close()


def test_sqlite_writes_every_commit_to_the_disk(sqlite: Database):
    assert ask(sqlite, "PRAGMA journal_mode") == "wal"
    assert ask(sqlite, "PRAGMA synchronous") == 2  # FULL


async def test_calls_beyond_the_threads_are_given_up_and_never_done(sqlite: Database):
    release, done = threading.Event(), []

    def wait(number: int) -> None:
        release.wait()
        done.append(number)

    answers = await asyncio.gather(
        *(sqlite.run(wait, number) for number in range(100)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {DatabaseTimeout}
    assert await sqlite.check() is None  # which needs none of those threads
    release.set()
    await eventually(lambda: len(done) == 24)
    assert await sqlite.run(ask, sqlite, "SELECT 7") == 7
    assert len(done) == 24


INSERT = text(
    "INSERT INTO access_tokens (name, owner, role, digest, created_at) "
    "VALUES ('one', '', 'reader', '', '2025-01-20 10:30:00')"
)
COUNT = "SELECT count(*) FROM access_tokens"


@pytest.mark.parametrize("way", ["writing", "transaction"])
@pytest.mark.parametrize("database", ["sqlite", "on_postgres"])
async def test_a_write_that_was_given_up_has_no_effect(database: str, way: str, request):
    written: Database = request.getfixturevalue(database)
    written.migrate()
    release, ended = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with getattr(written, way)() as target:
                target.execute(INSERT)
                release.wait()
        finally:
            ended.set()

    with pytest.raises(DatabaseTimeout):
        await written.run(write)
    release.set()
    await asyncio.to_thread(ended.wait)
    assert await written.run(ask, written, COUNT) == 0
    await written.run(write)
    assert await written.run(ask, written, COUNT) == 1


@pytest.mark.parametrize("database", ["sqlite", "on_postgres"])
async def test_a_commit_that_has_begun_is_waited_for(database: str, request, monkeypatch):
    written: Database = request.getfixturevalue(database)
    written.migrate()
    release = threading.Event()

    class WatchedCall(Call):
        def give_up(self) -> bool:
            given_up = super().give_up()
            release.set()
            return given_up

    monkeypatch.setattr("tally.database.database.Call", WatchedCall)
    event.listen(written._engine, "commit", lambda _: release.wait())

    def write() -> str:
        with written.writing() as session:
            session.execute(INSERT)
        return "done"

    assert await written.run(write) == "done"
    assert ask(written, COUNT) == 1


@pytest.mark.parametrize(
    "versions", ["gateway.migrations.versions", "learner_service.queue.migrations.versions"]
)
def test_the_newest_version_is_where_the_migrations_end(tmp_path: Path, versions: str):
    database = Database(Settings(), tmp_path / "one.db", versions)
    with database.migrating() as config:
        assert newest_version(versions) == ScriptDirectory.from_config(config).get_current_head()
    database.close()


def test_a_database_that_is_up_to_date_is_not_migrated_again(sqlite: Database, monkeypatch):
    sqlite.migrate()
    monkeypatch.setattr("tally.database.migrations.upgrade", None)
    sqlite.migrate()


@pytest.mark.parametrize("database", ["sqlite", "on_postgres"])
async def test_what_was_given_up_leaves_no_connection_open_at_the_end(database: str, request):
    closing: Database = request.getfixturevalue(database)
    begun, release = threading.Event(), threading.Event()

    def hold_a_connection() -> None:
        with closing.reading() as session:
            session.execute(text("SELECT 1"))
            begun.set()
            release.wait()

    given_up = asyncio.create_task(closing.run(hold_a_connection))
    await asyncio.to_thread(begun.wait)
    given_up.cancel()
    pool = closing._engine.pool
    threading.Timer(0.1, release.set).start()
    closing.close()
    assert pool.checkedout() == 0


async def test_a_locked_sqlite_is_given_up_by_writers_alone(sqlite: Database, tmp_path: Path):
    sqlite.migrate()
    locker = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")

    def write() -> None:
        with sqlite.writing() as session:
            session.execute(text("DELETE FROM files"))

    with pytest.raises(OperationalError, match="locked"):
        await sqlite.run(write)
    assert await sqlite.run(ask, sqlite, "SELECT count(*) FROM files") == 0
    await sqlite.check()
    locker.execute("ROLLBACK")
    locker.close()
    await sqlite.run(write)


async def test_a_frozen_postgres_is_given_up_and_no_connection_stays(
    on_postgres: Database, postgres
):
    pool = on_postgres._engine.pool
    assert await on_postgres.run(ask, on_postgres, "SELECT 7") == 7
    postgres.freeze()
    try:
        questions = (on_postgres.run(ask, on_postgres, "SELECT 1") for _ in range(41))
        cancelled, *calls = map(asyncio.create_task, questions)
        with pytest.raises(SQLAlchemyError):
            await on_postgres.check()
        cancelled.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(answer, SQLAlchemyError) for answer in answers)
        await eventually(lambda: pool.checkedout() == 0)
    finally:
        postgres.thaw()
    assert await on_postgres.run(ask, on_postgres, "SELECT 7") == 7
    await on_postgres.check()


DROP = "SELECT pg_terminate_backend(pg_backend_pid())"


class InOwnWords(Exception):
    pass


@pytest.mark.parametrize("own_words", [False, True])
async def test_what_is_asked_of_a_dropped_connection_is_asked_once_more(
    on_postgres: Database, own_words: bool
):
    asked = []

    def drop_the_first() -> object:
        asked.append(1)
        try:
            return ask(on_postgres, DROP if len(asked) == 1 else "SELECT 7")
        except OperationalError as error:
            if own_words:
                raise InOwnWords from error
            raise

    assert await on_postgres.run(drop_the_first) == 7
    assert len(asked) == 2
    with pytest.raises(OperationalError):
        await on_postgres.run(ask, on_postgres, DROP)


async def test_a_commit_whose_answer_was_lost_is_not_done_again(on_postgres: Database):
    """A trigger that runs at the commit ends the connection: nobody knows whether it was done."""
    with on_postgres.writing() as session:
        session.execute(text("CREATE TABLE numbers (number integer)"))
        session.execute(
            text(
                "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
            )
        )
        session.execute(
            text(
                "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON numbers "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()"
            )
        )
    tried = []

    def write() -> None:
        tried.append(1)
        with on_postgres.writing() as session:
            session.execute(text("INSERT INTO numbers VALUES (1)"))

    with pytest.raises(OperationalError):
        await on_postgres.run(write)
    assert len(tried) == 1


@pytest.mark.parametrize("database", ["sqlite", "on_postgres"])
def test_a_newer_database_is_refused_and_stays_as_it_is(database: str, request):
    newer: Database = request.getfixturevalue(database)
    newer.migrate()
    with newer.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabase, match=r"version 9999 .* start the release that wrote it"):
        newer.migrate()
    assert ask(newer, "SELECT version_num FROM alembic_version") == "9999"
