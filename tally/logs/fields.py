"""What the lines of a log concern: a job, an attempt, a request, a trace. Said once, not in each
message."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

Field = str | int

_of_process: dict[str, Field] = {}
_sources: list[Callable[[], Mapping[str, Field]]] = []
_of_task: ContextVar[Mapping[str, Field] | None] = ContextVar("log fields", default=None)


def add_process_fields(**fields: Field) -> None:
    """To every line of this process, whichever thread writes it."""
    _of_process.update(fields)


def add_log_fields(**fields: Field) -> None:
    """To the lines of this task from here on, and of the tasks and threads that it starts."""
    _of_task.set({**(_of_task.get() or {}), **fields})


@contextmanager
def log_fields(**fields: Field) -> Iterator[None]:
    """As add_log_fields, while the context is open."""
    token = _of_task.set({**(_of_task.get() or {}), **fields})
    try:
        yield
    finally:
        _of_task.reset(token)


@contextmanager
def log_field_source(source: Callable[[], Mapping[str, Field]]) -> Iterator[None]:
    """To every line of this process what `source` says then, while the context is open."""
    _sources.append(source)
    try:
        yield
    finally:
        _sources.remove(source)


def current_fields() -> dict[str, Field]:
    fields = {**_of_process, **(_of_task.get() or {})}
    for source in _sources:
        fields |= source()
    return fields
