"""The staging step, counted and timed, and what becomes of staged calls."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sip_stager.events import (
    AftercareFailed,
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
    REFRESHED,
    AgentState,
    BreakerState,
    StagingOutcome,
    WasteReason,
)
from sip_stager.observability.instruments import Children, EventCounter, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

    from sip_stager.ports import Handlers

REFRESH_OUTCOMES = (
    REFRESHED,
    StagingOutcome.REFUSED,
    StagingOutcome.BUSY,
    StagingOutcome.FAILED,
    StagingOutcome.TIMEOUT,
    StagingOutcome.API_UNREACHABLE,
    StagingOutcome.INVALID_RESPONSE,
    StagingOutcome.INTERNAL_ERROR,
)
"""The outcomes of a fetch of the platform's numbers."""

STAGING_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 10)
"""Seconds.  An API that is well takes 0.1 to 0.3 s, so the steps are fine there; 4 s is the
deadline's default, and after 5 s the first trunks hang up."""

PHASE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 4)
"""Seconds.  A phase may be nothing (a warm connection) or all of the deadline."""


class StagingMetrics:
    """Counts what the API is asked and says; the series of ``trunks`` are there at once."""

    def __init__(self, registry: CollectorRegistry, trunks: Iterable[str]) -> None:
        counter = partial(EventCounter, registry)
        self._started = counter("stagings_started", "Stagings begun.", "mode")
        self._ended = counter("stagings_ended", "Stagings ended.", "trunk", "outcome")
        self._polls = counter("staging_polls", "Times that the API was asked for a call's status.")
        self._retries = counter("staging_retries", "Stagings that were tried again.", "outcome")
        self._claimed = counter(
            "stagings_claimed", "Calls that used what was staged in vain for one before.", "trunk"
        )
        self._wasted = counter(
            "stagings_wasted", "Staged calls that came to nothing.", "trunk", "reason"
        )
        self._terminated = counter(
            "stagings_terminated", "Wasted calls that the API was told to end.", "outcome"
        )
        self._aftercare_failed = counter(
            "aftercare_failed", "Requests that no call waits for, gone wrong.", "kind", "outcome"
        )
        self._breaker_moves = counter(
            "breaker_transitions", "Changes of the breaker's state.", "state"
        )
        self._agent_moves = counter(
            "agent_transitions", "Agents that the API had no more, or had again.", "state"
        )
        self._refreshes = counter(
            "numbers_refreshes", "Times that the platform's numbers were asked for.", "outcome"
        )
        self._take_times(registry)
        self._expect(trunks)
        self.handlers: Handlers = {
            StagingStarted: lambda event: self._started.add(event.mode),
            StagingPolled: lambda _: self._polls.add(),
            StagingRetried: lambda event: self._retries.add(event.outcome),
            StagingEnded: self._end,
            BreakerMoved: lambda event: self._breaker_moves.add(event.state),
            AgentStateChanged: lambda event: self._agent_moves.add(event.state),
            NumbersRefreshed: lambda _: self._refreshes.add(REFRESHED),
            NumbersNotRefreshed: lambda event: self._refreshes.add(event.outcome),
            StagingClaimed: lambda event: self._claimed.add(event.call.trunk),
            StagingWasted: lambda event: self._wasted.add(event.call.trunk, event.reason),
            StagingTerminated: lambda event: self._terminated.add(event.outcome),
            AftercareFailed: lambda event: self._aftercare_failed.add(event.kind, event.outcome),
        }

    def _end(self, event: StagingEnded) -> None:
        self._ended.add(event.call.trunk, event.outcome)
        self._duration[event.outcome].observe(event.elapsed)
        for phase, elapsed in event.phases.items():
            self._phases[phase].observe(elapsed)

    def _take_times(self, registry: CollectorRegistry) -> None:
        self._duration = Children(
            seconds(
                registry, "staging_duration", "The whole staging step.", STAGING_BUCKETS, "outcome"
            )
        )
        self._phases = Children(
            seconds(
                registry, "staging_phase_duration", "Staging, by phase.", PHASE_BUCKETS, "phase"
            )
        )

    def _expect(self, trunks: Iterable[str]) -> None:
        self._polls.expect()
        for state in BreakerState:
            self._breaker_moves.expect(state)
        for outcome in REFRESH_OUTCOMES:
            self._refreshes.expect(outcome)
        for agent_state in (AgentState.MISSING, AgentState.KNOWN):
            self._agent_moves.expect(agent_state)
        for trunk in trunks:
            for outcome in StagingOutcome:
                self._ended.expect(trunk, outcome)
            for reason in WasteReason:
                self._wasted.expect(trunk, reason)
