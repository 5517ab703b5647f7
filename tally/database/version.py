"""Of which version a database is: the last migration that was made in it."""

import re
from importlib.resources import files

from sqlalchemy import Engine, inspect, text

_MODULE = re.compile(r"v(\d{4})_\w+\.py")
_TABLE = "alembic_version"


def is_up_to_date(engine: Engine, versions: str) -> bool:
    """Whether every migration of the package `versions` was made, and none of a later release."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(_TABLE):
            return False
        stored = connection.execute(text(f"SELECT version_num FROM {_TABLE}")).scalar()
    return stored == newest_version(versions)


def newest_version(versions: str) -> str:
    """By the names of the modules: that of v0002_comparisons is 0002."""
    named = (_MODULE.fullmatch(entry.name) for entry in files(versions).iterdir())
    return max(name[1] for name in named if name)
