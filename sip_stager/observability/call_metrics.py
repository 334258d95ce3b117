"""Calls, counted and timed from the caller's side."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sip_stager.events import (
    CallAdmitted,
    CallEnded,
    CallRefused,
    CallRinging,
    CallTreated,
    HeaderLost,
    InviteForwarded,
)
from sip_stager.model.vocabulary import CallOutcome
from sip_stager.observability.instruments import EventCounter, seconds
from sip_stager.observability.registered_labels import code_label
from sip_stager.observability.staging_metrics import STAGING_BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

    from sip_stager.ports import Handlers

RINGING_BUCKETS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 20, 30)
"""Seconds.  It is staging and then the upstream, which may be a telephone that rings late."""


class CallMetrics:
    """Counts how calls begin and end; ``trunks`` are those whose series are there at once."""

    def __init__(self, registry: CollectorRegistry, trunks: Iterable[str]) -> None:
        counter = partial(EventCounter, registry)
        self._admitted = counter(
            "calls_admitted", "Calls let in, to be staged where an agent is mapped.", "trunk"
        )
        self._refused = counter("calls_refused", "Calls refused here.", "trunk", "cause", "status")
        self._treated = counter(
            "calls_treated",
            "Calls that were not staged and went another way than to be refused.",
            *("trunk", "cause", "treatment"),
        )
        self._local_ringing = counter(
            "local_ringing", "Calls that heard our own ringing while they were staged.", "trunk"
        )
        self._ended = counter("calls_ended", "Calls by how their INVITE ended.", "trunk", "outcome")
        self._answered = counter("stagings_answered", "Staged calls that were answered.", "trunk")
        self._headers_lost = counter(
            "headers_lost", "Answered calls whose staged call nobody claimed.", "trunk"
        )
        self._forward = seconds(
            registry, "invite_forward", "INVITE in to INVITE out.", STAGING_BUCKETS
        )
        self._ringing = seconds(
            registry, "invite_ringing", "INVITE in to 18x out.", RINGING_BUCKETS
        )
        for trunk in trunks:
            self._admitted.expect(trunk)
            self._answered.expect(trunk)
            self._headers_lost.expect(trunk)
            for outcome in CallOutcome:
                self._ended.expect(trunk, outcome)
        self.handlers: Handlers = {
            CallAdmitted: lambda event: self._admitted.add(event.call.trunk),
            CallRefused: self._count_refused,
            CallTreated: self._count_treated,
            InviteForwarded: self._time_forwarded,
            CallRinging: self._time_ringing,
            CallEnded: self._count_ended,
            HeaderLost: lambda event: self._headers_lost.add(event.call.trunk),
        }

    def _count_refused(self, event: CallRefused) -> None:
        self._refused.add(event.trunk, event.cause, code_label(event.status))

    def _count_treated(self, event: CallTreated) -> None:
        self._treated.add(event.call.trunk, event.cause, event.treatment)

    def _count_ended(self, event: CallEnded) -> None:
        self._ended.add(event.call.trunk, event.outcome)
        if event.outcome is CallOutcome.ANSWERED and event.staged_id:
            self._answered.add(event.call.trunk)

    def _time_forwarded(self, event: InviteForwarded) -> None:
        if event.attempt == 1:  # what comes after is the upstream's time, not ours
            self._forward.observe(event.elapsed)

    def _time_ringing(self, event: CallRinging) -> None:
        self._ringing.observe(event.elapsed)
        if event.local:
            self._local_ringing.add(event.call.trunk)
