"""Sessions that read or write, and calls that are given up in time."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from sqlalchemy import URL, Connection, Executable, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

from tally.database.call import Call, check_before_commit
from tally.database.engines import begin_writing, open_engine
from tally.database.errors import AnswerTimeout, DatabaseTimeout
from tally.database.hold import Hold
from tally.database.settings import DatabaseSettings
from tally.database.version import is_up_to_date

if TYPE_CHECKING:
    from alembic.config import Config

T = TypeVar("T")
Model = TypeVar("Model", bound=SQLModel)
Ts = TypeVarTuple("Ts")
# Calls that may wait at once: a few writers at a lock must not hold up every reader.
_CALLS = 24
_CHECK_SECONDS = 2.0
# The driver's own time-outs come first: whoever is told of those knows that nothing was written.
_MARGIN_SECONDS = 1.0


class Database:
    """Sync sessions, and `run`, which takes a call of them off the event loop.

    Raises SQLAlchemyError where the database is away, locked or stopped for `timeout_seconds`.
    """

    def __init__(self, settings: DatabaseSettings, sqlite_file: Path, versions: str) -> None:
        """In `sqlite_file` where no address is set; `versions` is the package of migrations."""
        url = _address(settings, sqlite_file)
        self._timeout_seconds = timeout_seconds = settings.database_timeout_seconds
        self._versions = versions
        self._engine = open_engine(url, timeout_seconds, _CALLS)
        self._writing = begin_writing(self._engine)
        self._threads = ThreadPoolExecutor(_CALLS, "database")
        self._check_seconds = min(timeout_seconds, _CHECK_SECONDS)
        self._check_engine = open_engine(url, self._check_seconds, 1)
        self._check_thread = ThreadPoolExecutor(1, "database check")
        self._check: Future[None] | None = None
        self._hold: Hold | None = None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    def select(self, model: type[Model], query: Executable, **values: object) -> list[Model]:
        """The rows of its table that `query` finds with these values of its parameters, as objects
        of no session: for one row that costs less than half of what `reading` does."""
        construct: Any = model.model_construct
        with self._engine.connect() as connection:
            return [construct(**row) for row in connection.execute(query, values).mappings()]

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: commits when the block ends, rolls back when it raises."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session
            session.flush()
            check_before_commit()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """As `writing`, for plain statements: half the cost, where that counts."""
        with self._writing.begin() as connection:
            yield connection
            check_before_commit()

    async def run(self, call: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """What `call` returns, which is given up in time even where every thread is taken.

        Raises DatabaseTimeout; what was asked is then not done, unless the database has not
        answered a commit either.
        """
        on_time = Call(self._timeout_seconds)
        future = self._threads.submit(lambda: _do(on_time, call, *arguments))
        return await _in_time(future, self._timeout_seconds + _MARGIN_SECONDS, on_time)

    def migrate(self) -> None:
        """Brings the tables up to date, whoever else starts now. Raises NewerDatabase."""
        if not is_up_to_date(self._engine, self._versions):
            # Alembic takes long to be imported, and nearly every start does without.
            from tally.database.migrations import upgrade  # noqa: PLC0415

            upgrade(self._writing, self._versions)

    def migrating(self) -> "AbstractContextManager[Config]":
        """What Alembic's commands take, on one transaction in which nobody else changes tables."""
        from tally.database.migrations import migrating  # noqa: PLC0415

        return migrating(self._writing, self._versions)

    def hold(self) -> None:
        """Has it alone among those that hold it, until it is closed. Raises DatabaseInUse."""
        self._hold = Hold(self._engine, self._timeout_seconds)

    async def check(self) -> None:
        """Raises SQLAlchemyError where the database does not answer, within two seconds."""
        if self._check is None or self._check.done():
            self._check = self._check_thread.submit(self._ask)
        await _in_time(self._check, self._check_seconds, Call(self._check_seconds))

    def _ask(self) -> None:
        with self._check_engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Waits for the calls that have begun, whose connections would be left open otherwise."""
        for threads in (self._threads, self._check_thread):
            threads.shutdown(cancel_futures=True)
        if self._hold is not None:
            self._hold.release()
        self._engine.dispose()
        self._check_engine.dispose()


def _address(settings: DatabaseSettings, sqlite_file: Path) -> URL:
    if settings.database_url is None:
        return URL.create("sqlite", database=str(sqlite_file))
    url = make_url(settings.database_url.get_secret_value())
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _do(on_time: Call, call: Callable[[*Ts], T], *arguments: *Ts) -> T:
    """Once more where a connection broke before anything was committed on it."""
    with on_time.under_way():
        try:
            return call(*arguments)
        except Exception as error:
            # A store may have put it into words of its own.
            if not (_broke_before_commit(error) or _broke_before_commit(error.__cause__)):
                raise
        return call(*arguments)


def _broke_before_commit(error: BaseException | None) -> bool:
    """Not at a commit, which has no statement: whether that was done cannot be known."""
    if not isinstance(error, DBAPIError) or isinstance(error.orig, AnswerTimeout):
        return False
    return error.connection_invalidated and error.statement is not None


async def _in_time(future: Future[T], timeout_seconds: float, call: Call) -> T:
    waiting = asyncio.wrap_future(future)
    try:
        await asyncio.wait({waiting}, timeout=timeout_seconds)
        if not waiting.done() and not call.give_up():
            await asyncio.wait({waiting}, timeout=timeout_seconds)  # for its commit
        if waiting.done():
            return waiting.result()
    finally:
        call.give_up()
        waiting.cancel()  # what has not begun does not begin any more
    raise DatabaseTimeout("the database did not answer in time")
