from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from tally.metrics.readings import Figures, Readings
from tally.metrics.registry import new_registry


def test_they_are_as_they_are_when_somebody_looks():
    registry, waiting = new_registry(), ["first"]
    registry.register(
        Readings(GaugeMetricFamily, "tally_line", "Who waits.", lambda: {(): len(waiting)})
    )
    assert registry.get_sample_value("tally_line") == 1
    waiting.append("second")
    assert registry.get_sample_value("tally_line") == 2


def test_each_figure_has_its_labels():
    registry = new_registry()
    registry.register(
        Readings(
            CounterMetricFamily,
            "tally_fruit",
            "Fruit.",
            lambda: {("apple", "red"): 3, ("pear", "green"): 4},
            ["kind", "colour"],
        )
    )
    labels = {"kind": "pear", "colour": "green"}
    assert registry.get_sample_value("tally_fruit_total", labels) == 4


def test_what_cant_be_read_is_left_out_and_the_rest_is_there():
    def read() -> Figures:
        raise OSError("the disk is away")

    registry = new_registry()
    registry.register(Readings(GaugeMetricFamily, "tally_disk", "Room.", read))
    page = generate_latest(registry).decode()
    assert "process_resident_memory_bytes" in page
    assert "\ntally_disk " not in page
