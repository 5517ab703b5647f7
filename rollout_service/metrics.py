"""What the rollout service tells Prometheus."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from rollout_service.admission import Admission
from rollout_service.blobs.blob_cache import BlobCache
from tally.metrics.gpu_memory import gpu_memory
from tally.metrics.readings import Figures, Readings
from tally.metrics.registry import new_registry
from tally.sampling.engine import Completion, Engine, FinishReason

_WAIT_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class RolloutMetrics:
    """Those that events change, and those that are read off `engine`, `admission` and `blobs`."""

    def __init__(self, engine: Engine, admission: Admission, blobs: BlobCache) -> None:
        self.registry = new_registry()
        self._tokens = Counter(
            "tally_rollout_tokens", "Tokens that were sampled.", registry=self.registry
        )
        self._completions = Counter(
            "tally_rollout_completions",
            "Completions, by why they ended.",
            ["finish_reason"],
            registry=self.registry,
        )
        for reason in FinishReason:
            self._completions.labels(reason)
        self._queue_depth = Gauge(
            "tally_rollout_queue_depth",
            "Completions that the engine was asked for and has not begun to sample.",
            registry=self.registry,
        )
        self._wait = Histogram(
            "tally_rollout_wait_seconds",
            "Seconds that a request waited for the engine, its blobs being here.",
            buckets=_WAIT_SECONDS,
            registry=self.registry,
        )
        for reading in (*_readings(engine, admission, blobs), *gpu_memory()):
            self.registry.register(reading)

    @contextmanager
    def wait(self, completions: int) -> Iterator[Callable[[], None]]:
        """Counts `completions` as waiting until what it yields is called, or the context ends."""
        asked, still_waits = time.monotonic(), threading.Lock()

        def leave() -> bool:
            if left := still_waits.acquire(blocking=False):
                self._queue_depth.dec(completions)
            return left

        def begin() -> None:
            if leave():
                self._wait.observe(time.monotonic() - asked)

        self._queue_depth.inc(completions)
        try:
            yield begin
        finally:
            leave()

    def note(self, completions: Sequence[Completion]) -> None:
        """Counts what a request was answered with."""
        self._tokens.inc(sum(len(one.token_ids) for one in completions))
        for one in completions:
            self._completions.labels(one.finish_reason).inc()


def _readings(engine: Engine, admission: Admission, blobs: BlobCache) -> Iterator[Readings]:
    yield Readings(
        GaugeMetricFamily,
        "tally_rollout_completions_in_progress",
        "Completions of the requests that were let in and are not answered yet.",
        lambda: {(): admission.in_progress},
    )
    yield Readings(
        CounterMetricFamily,
        "tally_rollout_groups_refused",
        "Requests that were left to another replica, for want of room.",
        lambda: {(): admission.refused},
    )
    yield Readings(
        CounterMetricFamily,
        "tally_rollout_cache_lookups",
        "What the caches were asked for, and whether they held it.",
        lambda: _lookups(engine, blobs),
        ["cache", "result"],
    )
    yield Readings(
        CounterMetricFamily,
        "tally_rollout_fetches",
        "Blobs that were fetched whole from the learner.",
        lambda: {(kind,): blobs.fetches[kind] for kind in ("adapter", "image")},
        ["kind"],
    )
    yield Readings(
        CounterMetricFamily,
        "tally_rollout_fetched_bytes",
        "Bytes of the blobs that were fetched whole from the learner.",
        lambda: {(kind,): blobs.fetched_bytes[kind] for kind in ("adapter", "image")},
        ["kind"],
    )
    yield Readings(
        GaugeMetricFamily,
        "tally_rollout_blob_cache_bytes",
        "Bytes of the blobs that are kept.",
        lambda: {(): blobs.used_bytes},
    )


def _lookups(engine: Engine, blobs: BlobCache) -> Figures:
    caches = {"blobs": blobs.lookups, **engine.lookups}
    return {
        (cache, result): count
        for cache, lookups in caches.items()
        for result, count in (("hit", lookups.hits), ("miss", lookups.misses))
    }
