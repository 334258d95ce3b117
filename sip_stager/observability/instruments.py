"""What metrics are made of here: cheap counters, and gauges that are read at a scrape."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from sip_stager.model.vocabulary import BreakerState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric


class EventCounter(Collector):
    """A counter in a plain dict: the event loop is its only user, so it needs no lock.

    ``counts`` are open to who counts by the dozen in each call.
    """

    def __init__(
        self, registry: CollectorRegistry, name: str, documentation: str, *labels: str
    ) -> None:
        self._name, self._documentation, self._labels = f"sip_stager_{name}", documentation, labels
        self.counts: defaultdict[tuple[str, ...], int] = defaultdict(int)
        registry.register(self)

    def add(self, *values: str) -> None:
        """Count one."""
        self.counts[values] += 1

    def expect(self, *values: str) -> None:
        """Make a series known, so that its first increase shows."""
        self.counts[values] += 0

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Give the counter with all its series."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labels)
        for values, count in self.counts.items():
            family.add_metric(values, count)
        yield family


def seconds(
    registry: CollectorRegistry,
    name: str,
    documentation: str,
    buckets: tuple[float, ...],
    *labels: str,
) -> Histogram:
    """Make a histogram of durations."""
    name = f"sip_stager_{name}_seconds"
    return Histogram(name, documentation, labels, buckets=buckets, registry=registry)


class Children(dict[str, Histogram]):
    """The children of a histogram with one label, each looked up in the library once."""

    def __init__(self, parent: Histogram) -> None:
        super().__init__()
        self._parent = parent

    def __missing__(self, label: str) -> Histogram:
        child = self[label] = self._parent.labels(label)
        return child


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What a scrape asks of the other rooms; each must answer at once, and not raise.

    ``transactions`` gives the number of living ones by kind (``invite_server``, ...), and
    ``tcp_connections`` by who opened them (``accepted``, ``opened``), ``api_requests`` by their
    state (``active``, ``queued``).  ``breaker_state`` is a ``BreakerState``;
    ``rate_limit_remaining`` is None as long as the API has not said.  ``agents`` gives the
    number of agents by state (``known``, ``missing``, ``unknown``).  ``numbers`` gives how many are
    mapped, by source (``settings``, ``platform``), ``platform_numbers`` how many the platform has,
    by use (``staged``, ``redirected``, ``without_agent``, ``unusable``); ``numbers_refreshed_at``
    is in seconds since 1970, None until they were had.  ``limits`` are the bounds of the
    stores by their names.
    ``worst_lag`` is in seconds; ``log_lines_dropped`` and ``log_write_errors`` are counts since the
    start.
    """

    calls_staging: Callable[[], int]
    stagings_reserved: Callable[[], int]
    transactions: Callable[[], Mapping[str, int]]
    message_bytes: Callable[[], int]
    tcp_connections: Callable[[], Mapping[str, int]]
    api_requests: Callable[[], Mapping[str, int]]
    breaker_state: Callable[[], BreakerState]
    rate_limit_remaining: Callable[[], int | None]
    agents: Callable[[], Mapping[str, int]]
    numbers: Callable[[], Mapping[str, int]]
    platform_numbers: Callable[[], Mapping[str, int]]
    numbers_refreshed_at: Callable[[], float | None]
    limits: Mapping[str, int]
    log_lines_dropped: Callable[[], int]
    log_write_errors: Callable[[], int]
    worst_lag: Callable[[], float]


class Gauges(Collector):
    """Shows the readings."""

    def __init__(self, registry: CollectorRegistry, readings: Readings) -> None:
        self._readings = readings
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Read everything."""
        yield from self._single()
        yield from self._counted()
        yield from self._by_label()

    def _single(self) -> Iterator[Metric]:
        """Give what has one value, or none yet."""
        readings = self._readings
        for name, documentation, value in (
            ("calls_staging", "Calls being staged now.", readings.calls_staging()),
            ("message_bytes", "Bytes that the transactions weigh now.", readings.message_bytes()),
            (
                "stagings_reserved",
                "Staged calls that wait to be claimed.",
                readings.stagings_reserved(),
            ),
            (
                "event_loop_lag_max_seconds",
                "The worst lag of the event loop within the last minute.",
                readings.worst_lag(),
            ),
            (
                "api_rate_limit_remaining",
                "Requests left, as the API last said.",
                readings.rate_limit_remaining(),
            ),
            (
                "numbers_refreshed_timestamp_seconds",
                "When the platform's numbers were last had.",
                readings.numbers_refreshed_at(),
            ),
        ):
            yield GaugeMetricFamily(f"sip_stager_{name}", documentation, value)

    def _counted(self) -> Iterator[Metric]:
        readings = self._readings
        for name, documentation, count in (
            ("log_lines_dropped", "Log lines lost for good.", readings.log_lines_dropped()),
            ("log_write_errors", "Writes of the log that failed.", readings.log_write_errors()),
        ):
            yield CounterMetricFamily(f"sip_stager_{name}", documentation, count)

    def _by_label(self) -> Iterator[Metric]:
        """Give what has a value for each word of a label."""
        readings = self._readings
        breaker = readings.breaker_state()
        states = {state: int(state == breaker) for state in BreakerState}
        for name, documentation, label, values in (
            ("transactions", "SIP transactions alive now.", "kind", readings.transactions()),
            ("tcp_connections", "TCP connections open now.", "kind", readings.tcp_connections()),
            ("api_requests", "Requests to the API now.", "state", readings.api_requests()),
            ("breaker_state", "1 for the state of the circuit breaker.", "state", states),
            ("agents", "Mapped agents by what the API said of them.", "state", readings.agents()),
            ("numbers", "Numbers mapped, by where they stand.", "source", readings.numbers()),
            (
                "platform_numbers",
                "The platform's numbers, by what becomes of calls.",
                "use",
                readings.platform_numbers(),
            ),
            ("limit", "What a store holds at most.", "store", readings.limits),
        ):
            family = GaugeMetricFamily(f"sip_stager_{name}", documentation, labels=[label])
            for each, value in values.items():
                family.add_metric([each], value)
            yield family
