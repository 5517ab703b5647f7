"""What a database refuses beside SQLAlchemy's own errors."""

import sqlalchemy.exc


class NewerDatabase(Exception):
    """A later release wrote it."""


class DatabaseInUse(Exception):
    """Another process holds it."""


class DatabaseTimeout(sqlalchemy.exc.TimeoutError):
    """It did not answer in time; what was asked may still be done."""
