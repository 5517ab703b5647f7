"""What was traced in this process, or sent to a collector by others."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tally.traces.export import record_spans


@dataclass(frozen=True, kw_only=True)
class Span:
    """A span that has ended; ids in hexadecimal, `parent_id` empty for the first of a trace."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    linked_traces: tuple[str, ...]
    attributes: Mapping[str, Any]
    errors: tuple[str, ...]
    has_failed: bool


@contextmanager
def traced_here(service: str = "test") -> Iterator["Recorded"]:
    """What this process does is traced while it is open."""
    exporter = InMemorySpanExporter()
    with record_spans(SimpleSpanProcessor(exporter), service):
        yield Recorded(exporter)


class Recorded:
    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def spans(self) -> list[Span]:
        return [_of_sdk(span) for span in self._exporter.get_finished_spans()]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


def _of_sdk(span: ReadableSpan) -> Span:
    context = span.get_span_context()
    return Span(
        service=str(span.resource.attributes["service.name"]),
        name=span.name,
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{span.parent.span_id:016x}" if span.parent else "",
        linked_traces=tuple(f"{link.context.trace_id:032x}" for link in span.links),
        attributes=dict(span.attributes or {}),
        errors=tuple(str((event.attributes or {})["exception.type"]) for event in span.events),
        has_failed=not span.status.is_ok and not span.status.is_unset,
    )


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans as an OTLP collector does."""

    port: int = 0
    _spans: list[Span] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._lock:
            self._spans += _of_request(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Span]:
        with self._lock:
            return list(self._spans)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _of_request(request: Any) -> Iterator[Span]:
    for of_service in request.resource_spans:
        about = _attributes(of_service.resource.attributes)
        for scope in of_service.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=about["service.name"],
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    linked_traces=tuple(link.trace_id.hex() for link in span.links),
                    attributes=_attributes(span.attributes),
                    errors=tuple(_attributes(e.attributes)["exception.type"] for e in span.events),
                    has_failed=span.status.code == span.status.STATUS_CODE_ERROR,
                )


def _attributes(pairs: Sequence[Any]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def running_collector() -> Iterator[Collector]:
    """A collector on a port of its own."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def subtree(spans: Sequence[Span], root: Span) -> list[Span]:
    """The root and all that hangs on it."""
    children: dict[str, list[Span]] = {}
    for span in spans:
        children.setdefault(span.parent_id, []).append(span)
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += children.get(found[-1].span_id, [])
    return found
