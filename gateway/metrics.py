"""What the gateway tells Prometheus."""

from collections.abc import Callable
from pathlib import Path

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily

from tally.metrics.data_folder import free_space
from tally.metrics.readings import Readings
from tally.metrics.registry import new_registry

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600)
# Strangers may send any other word.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Statuses of what is refused for being too much, too fast or too often.
_LIMIT_STATUSES = frozenset({408, 413, 429, 503})
OTHER = "other"


class GatewayMetrics:
    """Those that requests change, and those that are read off the streams and the data folder."""

    def __init__(self, data_dir: Path) -> None:
        registry = self.registry = new_registry()
        self._requests = Counter(
            "tally_gateway_requests",
            "Requests by the route that they were for, `other` where none was looked for or found, "
            "and by the status of the answer, 0 where the client left before it.",
            ["method", "route", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "tally_gateway_request_seconds",
            "Seconds from a request's headers to the end of its answer.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._limited = Counter(
            "tally_gateway_limited_requests",
            "Requests that a limit refused (408, 413, 429, 503), by the code of the answer.",
            ["limit"],
            registry=registry,
        )
        self._uploads = Counter(
            "tally_gateway_uploads", "Uploads that were taken in.", registry=registry
        )
        self._uploaded_bytes = Counter(
            "tally_gateway_uploaded_bytes", "Bytes of these uploads' ZIPs.", registry=registry
        )
        registry.register(free_space(data_dir))

    def read_streams(self, count: Callable[[], int]) -> None:
        """`count` is asked whenever somebody reads the metrics."""
        self.registry.register(
            Readings(
                GaugeMetricFamily,
                "tally_gateway_event_streams",
                "Event streams that are open.",
                lambda: {(): count()},
            )
        )

    def note_request(
        self, method: str, route: str, status: int, seconds: float, refusal: str | None
    ) -> None:
        """Counts a request that is over; `refusal` is the code that it was refused with."""
        method = method if method in METHODS else OTHER
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)
        if refusal and status in _LIMIT_STATUSES:
            self._limited.labels(refusal).inc()

    def note_upload(self, size_bytes: int) -> None:
        self._uploads.inc()
        self._uploaded_bytes.inc(size_bytes)
