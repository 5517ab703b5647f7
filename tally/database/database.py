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
from tally.database.engines import begin_nothing, begin_writing, open_engine
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
_NO_ANSWER = "the database did not answer in time"


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
        self._selecting = begin_nothing(self._engine)
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
        with self._selecting.connect() as connection:
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
        # Less than half of what asyncio's own way between threads costs, and of that there is one
        # for every request.
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        work = self._threads.submit(_tell, loop, answer, lambda: _do(on_time, call, *arguments))
        try:
            return await _in_time(answer, self._timeout_seconds + _MARGIN_SECONDS, on_time)
        finally:
            on_time.give_up()
            work.cancel()  # what has not begun does not begin any more

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
        waiting = asyncio.wrap_future(self._check)
        await asyncio.wait({waiting}, timeout=self._check_seconds)
        if not waiting.done():
            waiting.cancel()
            raise DatabaseTimeout(_NO_ANSWER)
        waiting.result()

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


def _tell(
    loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[T]", call: Callable[[], T]
) -> None:
    """In a thread of its own: what `call` returns or raises becomes the answer."""
    try:
        result = call()
    except BaseException as error:
        loop.call_soon_threadsafe(_fail, answer, error)
    else:
        loop.call_soon_threadsafe(_settle, answer, result)


def _settle(answer: "asyncio.Future[T]", result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: "asyncio.Future[Any]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)


async def _in_time(answer: "asyncio.Future[T]", timeout_seconds: float, call: Call) -> T:
    """Raises DatabaseTimeout where there is none in time; a commit has that time once more."""
    loop = asyncio.get_running_loop()

    def late() -> None:
        _fail(answer, DatabaseTimeout(_NO_ANSWER))

    def give_up() -> None:
        if call.give_up():
            late()
        else:
            loop.call_later(timeout_seconds, late)

    timer = loop.call_later(timeout_seconds, give_up)
    try:
        return await answer
    finally:
        timer.cancel()
