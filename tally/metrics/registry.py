"""The metrics of a service, beginning with those that every process has."""

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily

from tally.metrics.child_memory import children_bytes
from tally.metrics.readings import Readings


def new_registry() -> CollectorRegistry:
    """With `process_…` of this process, and the memory of those that it has started."""
    disable_created_metrics()  # a series more for each, which nobody asks for
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(
        Readings(
            GaugeMetricFamily,
            "tally_child_processes_resident_memory_bytes",
            "Memory of the processes that this one has started, and of theirs.",
            lambda: {(): children_bytes()},
        )
    )
    return registry
