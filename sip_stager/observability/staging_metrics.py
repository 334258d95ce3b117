"""Counters and times of stagings, and of the platform's API."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from sip_stager.events import (
    AftercareFailed,
    AgentBreakerMoved,
    AgentStateChanged,
    BreakerMoved,
    NumbersNotRefreshed,
    NumbersRefreshed,
    StagingClaimed,
    StagingEnded,
    StagingPolled,
    StagingRetried,
    StagingStarted,
    StagingTerminated,
    StagingWasted,
)
from sip_stager.model.vocabulary import (
    AftercareKind,
    AftercareOutcome,
    AgentState,
    BreakerState,
    RefreshOutcome,
    RetryCause,
    StagingOutcome,
    TerminationOutcome,
    WasteReason,
)
from sip_stager.observability.instruments import EventCounter, make_histogram_by_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

    from sip_stager.ports import Handlers

RETRIED_OUTCOMES = (
    StagingOutcome.BUSY,
    StagingOutcome.FAILED,
    StagingOutcome.TIMEOUT,
    StagingOutcome.API_UNREACHABLE,
)
"""The outcomes of an attempt after which another may be made."""
FAILURES = (
    StagingOutcome.REFUSED,
    *RETRIED_OUTCOMES,
    StagingOutcome.INVALID_RESPONSE,
    StagingOutcome.INTERNAL_ERROR,
)
"""The outcomes of a request to the API that failed."""
REFRESH_OUTCOMES = (RefreshOutcome.REFRESHED, *FAILURES)
"""The outcomes of a fetch of the platform's numbers."""
PHASES = (
    *("queue", "name_lookup", "connect", "tls", "request", "closed"),
    *("poll", "rate_limit", "retry_wait"),
)
"""The phases of a staging (``events.StagingEnded``)."""

STAGING_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 10)
"""Seconds.  A healthy API takes 0.1 to 0.3 s, so the steps are fine there; 4 s is the default
deadline, and after 5 s the first trunks hang up."""

PHASE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 4)
"""Seconds.  A phase may take nothing (a warm connection) or the whole deadline."""


class StagingMetrics:
    """Stagings by their outcome and phases; the series of ``trunks`` exist from the start."""

    def __init__(self, registry: CollectorRegistry, trunks: Iterable[str]) -> None:
        self._make_staging_counters(registry)
        self._make_platform_counters(registry)
        self._duration = make_histogram_by_label(
            registry,
            "staging_duration",
            "Duration of stagings, in seconds.",
            STAGING_BUCKETS,
            "outcome",
        )
        self._phases = make_histogram_by_label(
            registry,
            "staging_phase_duration",
            "Duration of the phases of stagings, in seconds.",
            PHASE_BUCKETS,
            "phase",
        )
        self._initialize(trunks)
        self.handlers: Handlers = {
            StagingStarted: lambda event: self._started.increment(event.mode),
            StagingPolled: lambda _: self._polls.increment(),
            StagingRetried: lambda event: self._retries.increment(event.outcome),
            StagingEnded: self._count_ended,
            BreakerMoved: lambda event: self._breaker_transitions.increment(event.state),
            AgentBreakerMoved: lambda event: self._agent_breakers.increment(event.state),
            AgentStateChanged: lambda event: self._agent_transitions.increment(event.state),
            NumbersRefreshed: lambda _: self._refreshes.increment(RefreshOutcome.REFRESHED),
            NumbersNotRefreshed: lambda event: self._refreshes.increment(event.outcome),
            StagingClaimed: lambda event: self._claimed.increment(event.call.trunk),
            StagingWasted: lambda event: self._wasted.increment(event.call.trunk, event.reason),
            StagingTerminated: lambda event: self._terminated.increment(event.outcome),
            AftercareFailed: lambda event: self._aftercare_failed.increment(
                event.kind, event.outcome
            ),
        }

    def _make_staging_counters(self, registry: CollectorRegistry) -> None:
        counter = partial(EventCounter, registry)
        self._started = counter("stagings_started", "Stagings started.", "mode")
        self._ended = counter("stagings_ended", "Stagings ended.", "trunk", "outcome")
        self._polls = counter("staging_polls", "Requests for the status of a call.")
        self._retries = counter(
            "staging_retries", "Stagings retried, by the outcome of the attempt before.", "outcome"
        )
        self._claimed = counter(
            "stagings_claimed", "Calls that used the unused staged call of another.", "trunk"
        )
        self._wasted = counter(
            "stagings_wasted", "Staged calls that were not answered.", "trunk", "reason"
        )
        self._terminated = counter(
            "stagings_terminated", "Requests to end a wasted staged call.", "outcome"
        )
        self._aftercare_failed = counter(
            "aftercare_failed",
            "Failed requests of the aftercare, which no call waits for.",
            *("kind", "outcome"),
        )

    def _make_platform_counters(self, registry: CollectorRegistry) -> None:
        counter = partial(EventCounter, registry)
        self._breaker_transitions = counter(
            "breaker_transitions", "Changes of the circuit breaker to a state.", "state"
        )
        self._agent_breakers = counter(
            "agent_breaker_transitions",
            "Changes of agents' circuit breakers to a state.",
            "state",
        )
        self._agent_transitions = counter(
            "agent_transitions", "Changes of mapped agents to a state at the platform.", "state"
        )
        self._refreshes = counter(
            "numbers_refreshes", "Fetches of the platform's list of numbers.", "outcome"
        )

    def _count_ended(self, event: StagingEnded) -> None:
        self._ended.increment(event.call.trunk, event.outcome)
        self._duration[event.outcome].observe(event.elapsed)
        for phase, elapsed in event.phases.items():
            self._phases[phase].observe(elapsed)

    def _initialize(self, trunks: Iterable[str]) -> None:
        self._polls.initialize()
        for counter, outcomes in (
            (self._started, ("sync", "async")),
            (self._retries, (*RETRIED_OUTCOMES, RetryCause.CLOSED)),
            (self._terminated, (*TerminationOutcome, *FAILURES)),
            (self._breaker_transitions, BreakerState),
            (self._agent_breakers, BreakerState),
            (self._refreshes, REFRESH_OUTCOMES),
            (self._agent_transitions, (AgentState.MISSING, AgentState.KNOWN)),
        ):
            for outcome in outcomes:
                counter.initialize(outcome)
        for kind, failure in product(AftercareKind, (*AftercareOutcome, *FAILURES)):
            self._aftercare_failed.initialize(kind, failure)
        for histogram, labels in ((self._duration, StagingOutcome), (self._phases, PHASES)):
            for label in labels:
                _ = histogram[label]
        for trunk in trunks:
            self.initialize_trunk(trunk)

    def initialize_trunk(self, trunk: str) -> None:
        """Create the series of a trunk; those that exist keep their values."""
        self._claimed.initialize(trunk)
        for outcome in StagingOutcome:
            self._ended.initialize(trunk, outcome)
        for reason in WasteReason:
            self._wasted.initialize(trunk, reason)
