"""The counters and histograms of the metrics, made for an event loop.

The event loop is their only user, so they need no locks.  The library reads them at a scrape and
writes the text; a call's path has nothing to do with it.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Series:
    """One series of a counter, which is counted by adding to ``count``."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class _SeriesByLabels(dict[tuple[str, ...], Series]):
    """The series of a counter by their label values, each made when it is first looked up."""

    def __missing__(self, values: tuple[str, ...]) -> Series:
        series = self[values] = Series()
        return series


class EventCounter(Collector):
    """A counter; ``series`` is public for the events that every call has."""

    def __init__(
        self, registry: CollectorRegistry, name: str, documentation: str, *labels: str
    ) -> None:
        self._name, self._documentation, self._labels = f"sip_stager_{name}", documentation, labels
        self.series = _SeriesByLabels()
        registry.register(self)

    def increment(self, *values: str) -> None:
        """Add one to the series of these label values."""
        self.series[values].count += 1

    def initialize(self, *values: str) -> None:
        """Create a series with the value 0: Prometheus sees no increase in a new series' first."""
        self.series[values].count += 0

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counter with all its series."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labels)
        for values, series in self.series.items():
            family.add_metric(values, series.count)
        yield family


class Histogram:
    """One series of a histogram of seconds; ``bounds`` are the upper bounds of its buckets.

    The library's own takes two locks for each observation, and compares the bounds one by one.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)  # the last is above all bounds
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Add one observation; a bound belongs to the bucket that it ends."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def add_to(self, family: HistogramMetricFamily, labels: list[str]) -> None:
        """Add the buckets, each with all below it, and the sum to a metric."""
        names = *map(floatToGoString, self._bounds), "+Inf"
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        family.add_metric(labels, buckets, self._sum)


class HistogramByLabel(dict[str, Histogram]):
    """The series of a histogram with one label, each made when it is first looked up."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        super().__init__()
        self._bounds = bounds

    def __missing__(self, label: str) -> Histogram:
        series = self[label] = Histogram(self._bounds)
        return series


class _HistogramCollector(Collector):
    """The view of a histogram for the library; ``label`` is empty if there is one series."""

    def __init__(
        self, name: str, documentation: str, label: str, series: Mapping[str, Histogram]
    ) -> None:
        self._name, self._documentation = f"sip_stager_{name}_seconds", documentation
        self._label, self._series = label, series

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the histogram with all its series."""
        labels = [self._label] if self._label else []
        family = HistogramMetricFamily(self._name, self._documentation, labels=labels)
        for value, series in self._series.items():
            series.add_to(family, [value] if self._label else [])
        yield family


def make_histogram(
    registry: CollectorRegistry, name: str, documentation: str, bounds: tuple[float, ...]
) -> Histogram:
    """Make a histogram of seconds without a label."""
    histogram = Histogram(bounds)
    registry.register(_HistogramCollector(name, documentation, "", {"": histogram}))
    return histogram


def make_histogram_by_label(
    registry: CollectorRegistry,
    name: str,
    documentation: str,
    bounds: tuple[float, ...],
    label: str,
) -> HistogramByLabel:
    """Make a histogram of seconds with one label."""
    series = HistogramByLabel(bounds)
    registry.register(_HistogramCollector(name, documentation, label, series))
    return series
