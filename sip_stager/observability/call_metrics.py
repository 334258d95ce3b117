"""Counters and times of calls, as the caller's side sees them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.events import (
    CallAdmitted,
    CallEnded,
    CallRefused,
    CallRinging,
    CallTreated,
    FlowRecorded,
    HeaderLost,
    InviteForwarded,
    OverloadChanged,
)
from sip_stager.model.vocabulary import CallOutcome, OverloadState
from sip_stager.observability.instruments import EventCounter, make_histogram
from sip_stager.observability.registered_labels import CODE_LABELS
from sip_stager.observability.staging_metrics import STAGING_BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

    from sip_stager.ports import Handlers

RINGING_BUCKETS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 20, 30)
"""Seconds: staging and then the upstream, which may be a telephone that rings late."""


class KnownOutcomes(NamedTuple):
    """The label values of refusals and treatments that calls may get."""

    refused: frozenset[tuple[str, str, str]] = frozenset()
    treated: frozenset[tuple[str, str, str]] = frozenset()


class CallMetrics:
    """The beginnings and ends of calls.

    The series of ``trunks`` and of ``known`` outcomes exist from the start.
    """

    def __init__(
        self, registry: CollectorRegistry, trunks: Iterable[str], known: KnownOutcomes
    ) -> None:
        counter = partial(EventCounter, registry)
        self._admitted = counter(
            "calls_admitted", "Calls from a trunk to a mapped number.", "trunk"
        )
        self._refused = counter(
            "calls_refused",
            "Calls refused with a response of our own.",
            *("trunk", "cause", "status"),
        )
        self._treated = counter(
            "calls_treated",
            "Calls that could not be staged and were treated by the policy other than refused.",
            *("trunk", "cause", "treatment"),
        )
        self._local_ringing = counter(
            "local_ringing", "Calls that got our own ringing while they were staged.", "trunk"
        )
        self._ended = counter(
            "calls_ended", "Admitted calls by the outcome of their INVITE.", "trunk", "outcome"
        )
        self._answered = counter(
            "stagings_answered", "Staged calls that were answered with their agent.", "trunk"
        )
        self._headers_lost = counter(
            "headers_lost",
            "Answered calls whose staged agent was not claimed: the header was lost.",
            "trunk",
        )
        self._behind_nat = counter(
            "calls_behind_nat",
            "Calls whose caller is reached where the INVITE came from.",
            "trunk",
        )
        self._overload_transitions = counter(
            "overload_transitions", "Changes of the overload control's state.", "state"
        )
        self._forward = make_histogram(
            registry,
            "invite_forward",
            "Time from the INVITE to its first copy upstream, in seconds.",
            STAGING_BUCKETS,
        )
        self._ringing = make_histogram(
            registry,
            "invite_ringing",
            "Time from the INVITE to the first 18x to the caller, in seconds.",
            RINGING_BUCKETS,
        )
        for state in OverloadState:
            self._overload_transitions.initialize(state)
        self.initialize(trunks, known)
        self.handlers: Handlers = {
            CallAdmitted: self._count_admitted,
            CallRefused: self._count_refused,
            CallTreated: self._count_treated,
            InviteForwarded: self._time_forwarded,
            CallRinging: self._time_ringing,
            CallEnded: self._count_ended,
            HeaderLost: lambda event: self._headers_lost.increment(event.call.trunk),
            FlowRecorded: lambda event: self._behind_nat.increment(event.call.trunk),
            OverloadChanged: lambda event: self._overload_transitions.increment(event.state),
        }

    def initialize(self, trunks: Iterable[str], known: KnownOutcomes) -> None:
        """Create the series of trunks and outcomes; those that exist keep their values."""
        for labels in known.refused:
            self._refused.initialize(*labels)
        for labels in known.treated:
            self._treated.initialize(*labels)
        for trunk in trunks:
            self._admitted.initialize(trunk)
            self._local_ringing.initialize(trunk)
            self._answered.initialize(trunk)
            self._headers_lost.initialize(trunk)
            self._behind_nat.initialize(trunk)
            for outcome in CallOutcome:
                self._ended.initialize(trunk, outcome)

    def _count_admitted(self, event: CallAdmitted) -> None:
        self._admitted.series[event.call.trunk,].count += 1

    def _count_refused(self, event: CallRefused) -> None:
        self._refused.increment(event.trunk, event.cause, CODE_LABELS[event.status])

    def _count_treated(self, event: CallTreated) -> None:
        self._treated.increment(event.call.trunk, event.cause, event.treatment)

    def _count_ended(self, event: CallEnded) -> None:
        trunk, outcome = event.call.trunk, event.outcome
        self._ended.series[trunk, outcome].count += 1
        if event.staged_id and outcome is CallOutcome.ANSWERED:
            self._answered.series[trunk,].count += 1

    def _time_forwarded(self, event: InviteForwarded) -> None:
        if event.attempt == 1:  # the wait before further attempts is the upstream's time, not ours
            self._forward.observe(event.elapsed)

    def _time_ringing(self, event: CallRinging) -> None:
        self._ringing.observe(event.elapsed)
        if event.local:
            self._local_ringing.increment(event.call.trunk)
