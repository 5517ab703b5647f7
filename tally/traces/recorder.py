"""Spans as OpenTelemetry has them; imported only where something is traced."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tally.logs.fields import Field, current_fields
from tally.traces.spans import TRACEPARENT, Attribute, Kind

Attributes = Mapping[str, Attribute]
_KINDS: dict[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
}
_PROPAGATOR = TraceContextTextMapPropagator()
_TRACE_ID = "trace_id"


class OpenSpan:
    """A span that has begun; `note` takes full names of attributes."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        return _traceparent_of(self._span)

    def make_current(self) -> None:
        """For the rest of the task that this is called in, and for what it starts."""
        contexts.attach(trace.set_span_in_context(self._span))

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def note_concerns(self) -> None:
        """What the lines of this task's log have come to concern."""
        self._span.set_attributes(_own({}))

    def fail(self, why: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, why))

    def end(self) -> None:
        self._span.end()


class Recorder:
    """Makes spans with `tracer`; each says what it concerns, as the lines of the log do."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[Any]:
        return self._tracer.start_as_current_span(name, attributes=_own(attributes))

    def new_trace(self, name: str, attributes: Attributes) -> AbstractContextManager[Any]:
        links = _links(self.current_traceparent())
        return self._tracer.start_as_current_span(
            name, Context(), attributes=_own(attributes), links=links
        )

    @contextmanager
    def within(self, traceparent: str) -> Iterator[None]:
        token = contexts.attach(_context_of(traceparent))
        try:
            yield
        finally:
            contexts.detach(token)

    def begin(
        self, name: str, kind: Kind, parent: str | None, link: str, attributes: Attributes
    ) -> OpenSpan:
        stated = {**_own({}), **attributes}
        context, links = _parent_context(parent), _links(link)
        return OpenSpan(self._tracer.start_span(name, context, _KINDS[kind], stated, links))

    def add(
        self, name: str, began_ns: int, ended_ns: int, parent: str | None, attributes: Attributes
    ) -> None:
        span = self._tracer.start_span(
            name, _parent_context(parent), attributes=_own(attributes), start_time=began_ns
        )
        span.end(ended_ns)

    def record_error(self, error: BaseException) -> None:
        trace.get_current_span().record_exception(error)

    def fail(self, why: str) -> None:
        trace.get_current_span().set_status(Status(StatusCode.ERROR, why))

    def current_traceparent(self) -> str:
        return _traceparent_of(trace.get_current_span())


def trace_fields() -> dict[str, Field]:
    """The id of the current trace, for the lines of the log."""
    current = trace.get_current_span().get_span_context()
    return {_TRACE_ID: trace.format_trace_id(current.trace_id)} if current.is_valid else {}


def _own(attributes: Attributes) -> dict[str, Attribute]:
    """Under Tally's own name, beside what the lines of the log say that they concern."""
    concerns = {name: value for name, value in current_fields().items() if name != _TRACE_ID}
    return {f"tally.{name}": value for name, value in {**concerns, **attributes}.items()}


def _traceparent_of(span: Span) -> str:
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get(TRACEPARENT, "")


def _parent_context(traceparent: str | None) -> Context | None:
    return None if traceparent is None else _context_of(traceparent)


def _context_of(traceparent: str) -> Context:
    """Of the span that it names; of none where it is no traceparent."""
    return _PROPAGATOR.extract({TRACEPARENT: traceparent}, Context())


def _links(traceparent: str) -> list[Link]:
    linked = trace.get_current_span(_context_of(traceparent)).get_span_context()
    return [Link(linked)] if linked.is_valid else []
