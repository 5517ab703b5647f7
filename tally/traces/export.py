"""Spans on their way to a collector: in batches, from a thread of their own, waited for by nobody;
imported only where something is traced."""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tally.logs.fields import log_field_source
from tally.traces.ids import UnseededIds
from tally.traces.recorder import Recorder, trace_fields
from tally.traces.spans import record_with

# What a collector that is away may cost a process that ends.
_LAST_SECONDS = 3.0
_EXPORTER_LOG = "opentelemetry.exporter.otlp.proto.grpc.exporter"


@contextmanager
def export_spans(endpoint: str, service: str) -> Iterator[None]:
    """While it is open, spans go to the collector at `endpoint`, over gRPC. OpenTelemetry's own
    variables say the rest: which traces are sampled, headers, certificates, sizes of batches."""
    # That a batch was lost is said; each try is not.
    logging.getLogger(_EXPORTER_LOG).setLevel(logging.ERROR)
    with record_spans(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)), service):
        yield


@contextmanager
def record_spans(processor: SpanProcessor, service: str) -> Iterator[None]:
    """While it is open, what this process does is traced as `service`, and goes to `processor`."""
    about = {
        SERVICE_NAME: f"tally-{service}",
        SERVICE_INSTANCE_ID: f"{socket.gethostname()}:{os.getpid()}",
    }
    provider = TracerProvider(
        resource=Resource.create(about), shutdown_on_exit=False, id_generator=UnseededIds()
    )
    provider.add_span_processor(processor)
    record_with(Recorder(provider.get_tracer("tally")))
    try:
        with log_field_source(trace_fields):
            yield
    finally:
        record_with(None)
        _shut_down(provider)


def _shut_down(provider: TracerProvider) -> None:
    """Sends what is left; the SDK itself would wait half a minute for a collector that is away."""
    ending = threading.Thread(target=provider.shutdown, daemon=True)
    ending.start()
    ending.join(_LAST_SECONDS)
