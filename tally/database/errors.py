"""What a database refuses, and which of SQLAlchemy's own errors say that it is away."""

import sqlalchemy.exc

# A lock, a stopped server, a connection that broke, no answer in time.
AWAY = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
)


class NewerDatabase(Exception):
    """A later release wrote it."""


class DatabaseInUse(Exception):
    """Another process holds it."""


class DatabaseTimeout(sqlalchemy.exc.TimeoutError):
    """It did not answer in time; what was asked is not done, unless it was just being committed."""


class AnswerTimeout(Exception):
    """The server has not answered in time; the connection to it is closed."""
