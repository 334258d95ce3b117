"""The counters and histograms of the metrics, made for an event loop."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator


class EventCounter(Collector):
    """A counter in a plain dict: the event loop is its only user, so it needs no lock.

    ``counts`` is public for the events of which every call has a dozen.
    """

    def __init__(
        self, registry: CollectorRegistry, name: str, documentation: str, *labels: str
    ) -> None:
        self._name, self._documentation, self._labels = f"sip_stager_{name}", documentation, labels
        self.counts: defaultdict[tuple[str, ...], int] = defaultdict(int)
        registry.register(self)

    def increment(self, *values: str) -> None:
        """Add one to the series of these label values."""
        self.counts[values] += 1

    def initialize(self, *values: str) -> None:
        """Create a series with the value 0: Prometheus sees no increase in a new series' first."""
        self.counts[values] += 0

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counter with all its series."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labels)
        for values, count in self.counts.items():
            family.add_metric(values, count)
        yield family


def duration_histogram(
    registry: CollectorRegistry,
    name: str,
    documentation: str,
    buckets: tuple[float, ...],
    *labels: str,
) -> Histogram:
    """Make a histogram of seconds."""
    name = f"sip_stager_{name}_seconds"
    return Histogram(name, documentation, labels, buckets=buckets, registry=registry)


class HistogramByLabel(dict[str, Histogram]):
    """The children of a histogram with one label, each looked up in the library only once."""

    def __init__(self, parent: Histogram) -> None:
        super().__init__()
        self._parent = parent

    def __missing__(self, label: str) -> Histogram:
        child = self[label] = self._parent.labels(label)
        return child
