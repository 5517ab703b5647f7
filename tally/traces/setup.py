"""Where a process sends its spans: to a collector, or nowhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from urllib.parse import urlsplit

_STANDARD_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def standard_endpoint() -> str | None:
    """What OpenTelemetry's own variables say; None where they say nothing."""
    return next(filter(None, map(os.environ.get, _STANDARD_VARIABLES)), None)


def check_endpoint(endpoint: str | None) -> str | None:
    """Raises ValueError for what is no address of a collector; an empty one is none."""
    if not endpoint:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("expected http://host:4317, or https:// for a collector with TLS")
    return endpoint


@contextmanager
def trace_to(endpoint: str | None, service: str) -> Iterator[None]:
    """While it is open, this process traces what it does, as `service`, for the collector at
    `endpoint`; nothing where that is None."""
    if endpoint is None:
        yield
        return
    # Late: what nobody asked for takes no time to import.
    with import_module("tally.traces.export").export_spans(endpoint, service):
        yield
