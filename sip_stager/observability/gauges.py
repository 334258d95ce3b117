"""The values that are read at each scrape, from the rooms that hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from sip_stager.model.vocabulary import BreakerState, OverloadState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric


class LogFigures(NamedTuple):
    """The figures of the log, each a function for the scrape; without a log they are 0."""

    lines_dropped: Callable[[], int] = int
    write_errors: Callable[[], int] = int
    call_records: Callable[[], int] = int
    call_records_dropped: Callable[[], int] = int
    history: Callable[[], Mapping[str, int]] = dict
    history_dropped: Callable[[], int] = int


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeSources:
    """The functions that a scrape calls; each must return at once, and not raise.

    A mapping has a value for each value of the metric's label; ``limits`` has one for each store.
    ``rate_limit_remaining`` and ``numbers_refreshed_at`` (seconds since 1970) return None until
    they are known.  The counters ``call_records_dropped``, ``log_lines_dropped`` and
    ``log_write_errors`` begin with the start, and
    ``worst_lag`` and ``worst_receive_delay`` are in seconds.
    """

    calls_staging: Callable[[], int]
    settings_fallback: Callable[[], int]
    call_records: Callable[[], int]
    calls_up: Callable[[], Mapping[str, int]]
    stagings_reserved: Callable[[], int]
    polls_delayed: Callable[[], int]
    transactions: Callable[[], Mapping[str, int]]
    message_bytes: Callable[[], int]
    tcp_connections: Callable[[], Mapping[str, int]]
    api_requests: Callable[[], Mapping[str, int]]
    breaker_state: Callable[[], BreakerState]
    agent_breakers: Callable[[], Mapping[str, int]]
    rate_limit_remaining: Callable[[], int | None]
    rate_limit_holds: Callable[[], Mapping[str, int]]
    agents: Callable[[], Mapping[str, int]]
    numbers: Callable[[], Mapping[str, int]]
    platform_numbers: Callable[[], Mapping[str, int]]
    numbers_refreshed_at: Callable[[], float | None]
    limits: Callable[[], Mapping[str, int]]
    call_records_dropped: Callable[[], int]
    history: Callable[[], Mapping[str, int]]
    history_dropped: Callable[[], int]
    log_lines_dropped: Callable[[], int]
    log_write_errors: Callable[[], int]
    worst_lag: Callable[[], float]
    overload_state: Callable[[], OverloadState]
    worst_receive_delay: Callable[[], float]


class GaugeCollector(Collector):
    """Reads the sources at each scrape."""

    def __init__(self, registry: CollectorRegistry, sources: GaugeSources) -> None:
        self._sources = sources
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric that is read from a source."""
        yield from self._without_label()
        yield from self._counters()
        yield from self._by_label()

    def _without_label(self) -> Iterator[Metric]:
        sources = self._sources
        for name, documentation, value in (
            (
                "settings_fallback",
                "1 while the last good settings are in force, since the file has mistakes, else 0.",
                sources.settings_fallback(),
            ),
            ("calls_staging", "Calls that are being staged.", sources.calls_staging()),
            (
                "call_records",
                "Calls that are up and remembered for the log line of their end.",
                sources.call_records(),
            ),
            (
                "message_bytes",
                "Memory of the SIP transactions in bytes, by their messages.",
                sources.message_bytes(),
            ),
            (
                "stagings_reserved",
                "Staged calls that were not used and wait for a next call.",
                sources.stagings_reserved(),
            ),
            (
                "staging_polls_delayed",
                "Polls that are due and wait for the budget of all polls.",
                sources.polls_delayed(),
            ),
            (
                "event_loop_lag_max_seconds",
                "Worst lag of the event loop within the last minute, in seconds.",
                sources.worst_lag(),
            ),
            (
                "receive_delay_max_seconds",
                "Longest time that a datagram waited in a socket within the last minute.",
                sources.worst_receive_delay(),
            ),
            (
                "api_rate_limit_remaining",
                "Requests left in the API's rate limit, as it last said.",
                sources.rate_limit_remaining(),
            ),
            (
                "numbers_refreshed_timestamp_seconds",
                "Time of the last successful fetch of the platform's numbers.",
                sources.numbers_refreshed_at(),
            ),
        ):  # a value of None, not known yet, makes no series
            yield GaugeMetricFamily(f"sip_stager_{name}", documentation, value)

    def _counters(self) -> Iterator[Metric]:
        sources = self._sources
        for name, documentation, count in (
            (
                "call_records_dropped",
                "Calls whose record gave way to that of a newer one.",
                sources.call_records_dropped(),
            ),
            (
                "history_calls_dropped",
                "Calls that left the history before their time, to make room.",
                sources.history_dropped(),
            ),
            ("log_lines_dropped", "Log lines that were dropped.", sources.log_lines_dropped()),
            ("log_write_errors", "Failed writes of the log.", sources.log_write_errors()),
        ):
            yield CounterMetricFamily(f"sip_stager_{name}", documentation, count)

    def _by_label(self) -> Iterator[Metric]:
        sources = self._sources
        breaker = sources.breaker_state()
        states = {state: int(state == breaker) for state in BreakerState}
        overload = sources.overload_state()
        overload_states = {state: int(state == overload) for state in OverloadState}
        for name, documentation, label, values in (
            ("transactions", "SIP transactions alive.", "kind", sources.transactions()),
            (
                "calls_up",
                "Calls from INVITE to end, of each trunk with a limit of its own.",
                *("trunk", sources.calls_up()),
            ),
            ("tcp_connections", "Open TCP connections.", "kind", sources.tcp_connections()),
            (
                "api_requests",
                "Requests to the API for calls, active and queued.",
                "state",
                sources.api_requests(),
            ),
            (
                "breaker_state",
                "1 for the state of the API's circuit breaker, else 0.",
                *("state", states),
            ),
            (
                "agent_breakers",
                "Agents whose circuit breaker is open or half open.",
                *("state", sources.agent_breakers()),
            ),
            (
                "api_rate_limit_holds",
                "1 while all requests, or those for one agent, are held back, else 0.",
                *("scope", sources.rate_limit_holds()),
            ),
            (
                "overload_state",
                "1 for the state of the overload control, else 0.",
                "state",
                overload_states,
            ),
            (
                "history",
                "Calls in the history with their messages, and its memory in bytes.",
                *("unit", sources.history()),
            ),
            ("agents", "Mapped agents by their state at the platform.", "state", sources.agents()),
            ("numbers", "Mapped numbers by source.", "source", sources.numbers()),
            (
                "platform_numbers",
                "Numbers in the platform's list by what happens to their calls.",
                "use",
                sources.platform_numbers(),
            ),
            ("limit", "Maximum size of a store.", "store", sources.limits()),
        ):
            family = GaugeMetricFamily(f"sip_stager_{name}", documentation, labels=[label])
            for each, value in values.items():
                family.add_metric([each], value)
            yield family
