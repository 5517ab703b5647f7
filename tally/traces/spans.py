"""Spans: what is done here, as parts of a trace. Where nothing is traced each of these does
nothing, and OpenTelemetry is not even imported."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tally.traces.recorder import OpenSpan, Recorder

Attribute = str | int | float | bool
Kind = Literal["internal", "server", "client"]
# The header of W3C's Trace Context: what one service tells the next of the span that it is in.
TRACEPARENT = "traceparent"
_NOTHING: AbstractContextManager[Any] = nullcontext()
_NO_ATTRIBUTES: Mapping[str, Attribute] = {}


class _Switch:
    recorder: "Recorder | None" = None


def record_with(recorder: "Recorder | None") -> None:
    """Turns tracing on in this process, or off with None."""
    _Switch.recorder = recorder


def is_traced() -> bool:
    """Whether this process traces what it does."""
    return _Switch.recorder is not None


def span(name: str, **attributes: Attribute) -> AbstractContextManager[Any]:
    """While it is open, what is done is a span of the current trace; an error is recorded on it."""
    recorder = _Switch.recorder
    return _NOTHING if recorder is None else recorder.span(name, attributes)


def new_trace(name: str, **attributes: Attribute) -> AbstractContextManager[Any]:
    """As `span`, but the first of a trace of its own, which is linked to the current one."""
    recorder = _Switch.recorder
    return _NOTHING if recorder is None else recorder.new_trace(name, attributes)


def in_trace(traceparent: str) -> AbstractContextManager[Any]:
    """While it is open, what is done is a part of the span that `traceparent` names, if any."""
    recorder = _Switch.recorder
    return recorder.within(traceparent) if recorder is not None and traceparent else _NOTHING


def begin_span(
    name: str,
    kind: Kind = "internal",
    *,
    parent: str | None = None,
    link: str = "",
    attributes: Mapping[str, Attribute] = _NO_ATTRIBUTES,
) -> "OpenSpan | None":
    """A span that is ended by hand; None where nothing is traced.

    `parent` is the traceparent of the span that it is a part of: None for the current one, empty
    for the first of a trace. `link` is that of another trace that it has to do with. `attributes`
    have their full names.
    """
    recorder = _Switch.recorder
    return None if recorder is None else recorder.begin(name, kind, parent, link, attributes)


def add_span(
    name: str, began_ns: int, ended_ns: int, parent: str | None = None, **attributes: Attribute
) -> None:
    """A span of what has ended; its times are those of `now_ns`, its parent as in `begin_span`."""
    recorder = _Switch.recorder
    if recorder is not None:
        recorder.add(name, began_ns, ended_ns, parent, attributes)


def record_error(error: BaseException) -> None:
    """On the current span, which the error need not end."""
    if _Switch.recorder is not None:
        _Switch.recorder.record_error(error)


def fail_span(why: str) -> None:
    """The current span has failed, though no error ends it."""
    if _Switch.recorder is not None:
        _Switch.recorder.fail(why)


def current_traceparent() -> str:
    """Names the current span; empty where there is none."""
    recorder = _Switch.recorder
    return "" if recorder is None else recorder.current_traceparent()


def trace_id_of(traceparent: str) -> str:
    """The trace that the span is of; empty for none.

    >>> trace_id_of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    '4bf92f3577b34da6a3ce929d0e0e4736'
    """
    return traceparent.split("-")[1] if traceparent else ""


def now_ns() -> int:
    """The clock of spans."""
    return time.time_ns()
