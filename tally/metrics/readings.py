"""Metrics that are read off the service's own state when somebody looks, and cost nothing else."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

_log = logging.getLogger(__name__)

Family = type[CounterMetricFamily] | type[GaugeMetricFamily]
Figures = Mapping[tuple[str, ...], float]  # by the values of the labels


class Readings(Collector):
    """One metric; `read` says its figures. What can't be read now is left out of the page.

    Example:
        >>> line = ["first", "second"]
        >>> reading = Readings(
        ...     GaugeMetricFamily, "tally_line", "Who waits.", lambda: {(): len(line)}
        ... )
        >>> [family] = reading.collect()
        >>> family.samples[0].value
        2
    """

    def __init__(
        self,
        family: Family,
        name: str,
        documentation: str,
        read: Callable[[], Figures],
        labels: Sequence[str] = (),
    ) -> None:
        self.labels = tuple(labels)
        self._family = family
        self._name = name
        self._documentation = documentation
        self._read = read

    def describe(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        yield self._family(self._name, self._documentation, labels=self.labels)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        [family] = self.describe()
        for values, figure in self._figures().items():
            family.add_metric(values, figure)
        yield family

    def _figures(self) -> Figures:
        try:
            return self._read()
        except Exception as error:
            _log.warning("%s can't be read: %s", self._name, type(error).__name__)
            return {}
