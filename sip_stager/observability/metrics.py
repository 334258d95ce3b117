"""Events counted and timed, for Prometheus.

No label holds what a stranger chose: methods and codes that are not registered are folded
together; causes, outcomes and phases are words of our own, and trunks are the operator's.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, assert_never

from prometheus_client import CollectorRegistry, Histogram, Info, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from sip_stager import __version__
from sip_stager.events import (
    AftercareFailed,
    AgentStateChanged,
    BreakerMoved,
    CallAdmitted,
    CallEnded,
    CallRefused,
    CallRinging,
    CallTreated,
    HeaderLost,
    InviteForwarded,
    LargeRequestSent,
    MessageDropped,
    MessageReceived,
    MessageSent,
    StagingClaimed,
    StagingEnded,
    StagingPolled,
    StagingRetried,
    StagingStarted,
    StagingTerminated,
    StagingWasted,
)
from sip_stager.observability.meters import BREAKER_STATES, Children, Gauges, Readings, Tally
from sip_stager.observability.registered import code_label, method_label
from sip_stager.sip.message import Request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.events import Event

STAGING_OUTCOMES = (
    "staged",
    "refused",
    "over_time",
    "unreachable",
    "nonsense",
    "breaker_open",
    "stopping",
    "own_mistake",
    "cancelled",
)
CALL_OUTCOMES = ("answered", "rejected", "cancelled", "timed_out", "unreachable", "moved")

STAGING_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 10)
"""Seconds.  An API that is well takes 0.1 to 0.3 s, so the steps are fine there; 4 s is the
deadline's default, and after 5 s the first trunks hang up."""

PHASE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 4)
"""Seconds.  A phase may be nothing (a warm connection) or all of the deadline."""

RINGING_BUCKETS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 20, 30)
"""Seconds.  It is staging and then the upstream, which may be a telephone that rings late."""

LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
"""Seconds.  Timers are exact to 1 ms; from 5 ms on callers notice nothing yet but the slowest
percent; 50 ms is the limit that not even a dead API may break."""


class Metrics:
    """Counts events; ``registry`` holds what it counted, ``loop_lag`` takes the loop's lag.

    ``trunks`` are the names whose series are there from the start.
    """

    def __init__(self, readings: Readings, trunks: Iterable[str] = ()) -> None:
        # Without this each histogram brings a series that tells when it was made.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library annotates it not
        self.registry = CollectorRegistry()
        self._count_messages()
        self._count_calls()
        self._take_times()
        Gauges(self.registry, readings)
        self._describe_process()
        for trunk in trunks:
            self._expect(trunk)

    def __call__(self, event: Event) -> None:
        """Count one event."""
        match event:
            case MessageReceived():
                self._received(event)
            case MessageSent():
                self._sent(event)
            case MessageDropped():
                self._dropped.add(event.cause)
            case StagingTerminated() | AftercareFailed() | HeaderLost():
                self._aftercare(event)
            case LargeRequestSent():
                self._large.add(event.target.transport)
            case StagingStarted() | StagingPolled() | StagingRetried() | StagingEnded():
                self._staging(event)
            case BreakerMoved():
                self._breaker_moves.add(event.state)
            case AgentStateChanged():
                self._agent_moves.add(event.state)
            case _:
                self._call(event)

    def _aftercare(self, event: StagingTerminated | AftercareFailed | HeaderLost) -> None:
        match event:
            case StagingTerminated():
                self._terminated.add(event.outcome)
            case AftercareFailed():
                self._aftercare_failed.add(event.kind, event.outcome)
            case HeaderLost():
                self._headers_lost.add(event.call.trunk)

    def _received(self, event: MessageReceived) -> None:
        message = event.message
        if isinstance(message, Request):
            self._requests_received.add(method_label(message))
        else:
            self._responses_received.add(method_label(message), code_label(message.status))

    def _sent(self, event: MessageSent) -> None:
        message = event.message
        method = method_label(message)
        if isinstance(message, Request):
            self._requests_sent.add(method)
        else:
            self._responses_sent.add(method, code_label(message.status))
        if event.repeated:
            self._retransmissions.add(method)

    def _staging(
        self, event: StagingStarted | StagingPolled | StagingRetried | StagingEnded
    ) -> None:
        match event:
            case StagingStarted():
                self._stagings_started.add(event.mode)
            case StagingPolled():
                self._polls.add()
            case StagingRetried():
                self._retries.add(event.outcome)
            case StagingEnded():
                self._stagings_ended.add(event.call.trunk, event.outcome)
                self._staging_duration[event.outcome].observe(event.elapsed)
                for phase, seconds in event.phases.items():
                    self._phase_duration[phase].observe(seconds)

    def _call(
        self,
        event: CallAdmitted
        | CallRefused
        | CallTreated
        | StagingClaimed
        | StagingWasted
        | InviteForwarded
        | CallRinging
        | CallEnded,
    ) -> None:
        match event:
            case CallAdmitted():
                self._admitted.add(event.call.trunk)
            case CallRefused():
                self._refused.add(event.trunk, event.cause, code_label(event.status))
            case InviteForwarded():
                self._forward.observe(event.elapsed)
            case StagingClaimed():
                self._claimed.add(event.call.trunk)
            case StagingWasted():
                self._wasted.add(event.call.trunk)
            case CallTreated():
                self._treated.add(event.call.trunk, event.cause, event.treatment)
            case CallRinging():
                self._ringing.observe(event.elapsed)
                if event.local:
                    self._local_ringing.add(event.call.trunk)
            case CallEnded():
                self._ended.add(event.call.trunk, event.outcome)
            case _:
                assert_never(event)

    def _count_messages(self) -> None:
        tally = self._tally
        self._requests_received = tally("requests_received", "SIP requests parsed.", "method")
        self._requests_sent = tally("requests_sent", "SIP requests sent.", "method")
        self._responses_received = tally(
            "responses_received", "SIP responses parsed.", "method", "code"
        )
        self._responses_sent = tally("responses_sent", "SIP responses sent.", "method", "code")
        self._retransmissions = tally(
            "retransmissions_sent", "SIP messages sent again; they count as sent, too.", "method"
        )
        self._dropped = tally(
            "messages_dropped", "Messages that got no answer and went nowhere.", "cause"
        )
        self._large = tally(
            "large_requests_sent", "Requests above 1300 bytes to a UDP target.", "transport"
        )

    def _count_calls(self) -> None:
        tally = self._tally
        self._admitted = tally("calls_admitted", "Calls let in, to be staged.", "trunk")
        self._refused = tally("calls_refused", "Calls refused here.", "trunk", "cause", "status")
        self._claimed = tally(
            "stagings_claimed", "Calls that used what was staged in vain for one before.", "trunk"
        )
        self._wasted = tally("stagings_wasted", "Staged calls that nobody used.", "trunk")
        self._aftercare_failed = tally(
            "aftercare_failed", "Requests of no call's that went wrong.", "kind", "outcome"
        )
        self._headers_lost = tally(
            "headers_lost", "Answered calls whose staged call nobody claimed.", "trunk"
        )
        self._terminated = tally(
            "stagings_terminated", "Wasted calls that the API was told to end.", "outcome"
        )
        self._treated = tally(
            "calls_treated",
            "Calls that were not staged and went another way than to be refused.",
            "trunk",
            "cause",
            "treatment",
        )
        self._local_ringing = tally(
            "local_ringing", "Calls that heard our own ringing while they were staged.", "trunk"
        )
        self._ended = tally("calls_ended", "Calls by how their INVITE ended.", "trunk", "outcome")
        self._stagings_started = tally("stagings_started", "Stagings begun.", "mode")
        self._stagings_ended = tally("stagings_ended", "Stagings ended.", "trunk", "outcome")
        self._polls = tally("staging_polls", "Times that the API was asked for a call's status.")
        self._polls.add(amount=0)
        self._retries = tally("staging_retries", "Stagings that were tried again.", "outcome")
        self._breaker_moves = tally("breaker_moves", "Changes of the breaker's state.", "state")
        for state in BREAKER_STATES:
            self._breaker_moves.add(state, amount=0)
        self._agent_moves = tally(
            "agent_moves", "Agents that the API had no more, or had again.", "state"
        )
        for state in ("missing", "known"):
            self._agent_moves.add(state, amount=0)

    def _take_times(self) -> None:
        histogram = self._histogram
        self._staging_duration = Children(
            histogram("staging_duration", "The whole staging step.", STAGING_BUCKETS, "outcome")
        )
        self._phase_duration = Children(
            histogram("staging_phase_duration", "Staging, by phase.", PHASE_BUCKETS, "phase")
        )
        self._forward = histogram("invite_forward", "INVITE in to INVITE out.", STAGING_BUCKETS)
        self._ringing = histogram("invite_ringing", "INVITE in to 18x out.", RINGING_BUCKETS)
        self.loop_lag = histogram("event_loop_lag", "How late timers were called.", LAG_BUCKETS)

    def _tally(self, name: str, documentation: str, *labels: str) -> Tally:
        return Tally(self.registry, f"sip_stager_{name}", documentation, *labels)

    def _histogram(
        self, name: str, documentation: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        name = f"sip_stager_{name}_seconds"
        return Histogram(name, documentation, labels, buckets=buckets, registry=self.registry)

    def _describe_process(self) -> None:
        python = f"{platform.python_implementation()} {platform.python_version()}"
        build = Info("sip_stager_build", "What is running.", registry=self.registry)
        build.info({"version": __version__, "python": python})
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def _expect(self, trunk: str) -> None:
        self._admitted.add(trunk, amount=0)
        for outcome in STAGING_OUTCOMES:
            self._stagings_ended.add(trunk, outcome, amount=0)
        for outcome in CALL_OUTCOMES:
            self._ended.add(trunk, outcome, amount=0)
