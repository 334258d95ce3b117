"""An INVITE that begins a call, while its agent is staged.

::

    INVITE ---> HELD ----- the ringing delay is over: 18x -----> RINGING <--+ 18x again,
                 |                                                 |   |    | once a minute
                 |                                                 |   +----+
                 +------------------------+------------------------+
                                          |
                                          +-- staged ---> forwarded with the id
                                          +-- failed ---> the policy's treatments in turn:
                                          |                 another agent is staged (no change), or
                                          |                 forwarded without an id, or redirected,
                                          |                 or 302, or refused
                                          +-- CANCEL ---> 487, and staging is cancelled
                                          v
                                         OVER

Once it is forwarded, the INVITE belongs to a response context (``proxy/response_context.py``).
"""

from __future__ import annotations

from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, assert_never

from sip_stager.calls.next_treatment import Fallbacks, reserve_time_for_fallback
from sip_stager.model.call import MIN_STAGING_TIME, REFUSE, Forward, Refusal
from sip_stager.model.vocabulary import CallOutcome, TreatmentKind
from sip_stager.proxy.bounds import refuse_stopped
from sip_stager.proxy.response_context import ResponseContext
from sip_stager.proxy.target_search import TargetSearch
from sip_stager.sip.responses import (
    REASONS,
    RETRY_AFTER_STATUSES,
    Extra,
    make_response,
    make_trying,
)
from sip_stager.sip.uri import as_request_uri, parse_uri

if TYPE_CHECKING:
    from sip_stager.calls.call_report import CallReport
    from sip_stager.model.call import Decision, Treatment
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Cancellable, Clock, Stager
    from sip_stager.proxy.request_forwarding import Routed
    from sip_stager.proxy.responder import Responder
    from sip_stager.proxy.sender import Sender
    from sip_stager.proxy.target_set import UpstreamTargets
    from sip_stager.sip.message import Request, Response
    from sip_stager.transaction.invite_server import InviteServerTransaction

RINGING_INTERVAL = 60.0
"""Seconds between two provisional responses of ours (RFC 3261 13.3.1.1)."""


class StagingCallState(Enum):
    """The states of a call that is being staged."""

    HELD = auto()
    RINGING = auto()
    OVER = auto()


class StagingCall:
    """Holds an INVITE until staging decides; rings meanwhile if the policy says so."""

    __slots__ = (
        "_attempt", "_call", "_clock", "_report", "_request", "_responder", "_ringing", "_rings",
        "_sender", "_server", "_source", "_stager", "_staging", "_state", "_targets",
        "_treatments", "_upstream",
    )  # fmt: skip

    def __init__(
        self,
        sender: Sender,
        responder: Responder,
        upstream: UpstreamTargets,
        stager: Stager,
        clock: Clock,
        report: CallReport,
        targets: list[Routed],
        source: Flow,
        server: InviteServerTransaction,
    ) -> None:
        self._sender = sender
        self._responder = responder
        self._upstream = upstream
        self._stager = stager
        self._clock = clock
        self._report = report
        self._call = call = report.call
        self._targets = targets
        self._request = targets[0].request
        # RFC 3262 3: such an INVITE requires reliable provisional responses, and ours are not.
        self._rings = call.policy.ringing > 0 and not self._request.requires(b"100rel")
        # The call as the stager gets it: with the agent and the deadline of this attempt.
        self._attempt = reserve_time_for_fallback(call, rings=self._rings)
        self._source = source
        self._server = server
        self._staging: Cancellable | None = None
        self._ringing: Cancellable | None = None
        self._treatments = Fallbacks(call.policy)
        self._state = StagingCallState.HELD

    def start_staging(self) -> None:
        """Send a 100 and start staging; a call without an agent is forwarded at once."""
        self._server.owner = self
        self._server.send_response(100, make_trying(self._request))
        if not self._call.agent_id:
            self._forward(self._targets)
            return
        self._staging = self._stager.start_staging(self._attempt, self._decided)
        if self._rings:
            self._ringing = self._clock.call_later(self._call.policy.ringing_delay, self._ring)

    @property
    def origin(self) -> tuple[bytes, str]:
        """The From tag of the INVITE, and the host that it came from."""
        return self._request.from_tag, self._source.host

    def cancel(self, cancel: Request) -> None:
        """Cancel staging and end the call with 487; nothing is sent upstream."""
        self._enter(StagingCallState.OVER)
        self._report.note_cancel(cancel)
        self._report.report_ended(CallOutcome.CANCELLED, self._respond(487), None)

    def stop(self) -> None:
        """Refuse the call, because the program stops."""
        self._refuse(REFUSE, refuse_stopped(self._call))

    def _enter(self, state: StagingCallState) -> None:
        """Change the state; OVER stops the ringing, and staging that is under way.

        Nothing on the call's path leaves a reference cycle, because the collector is off while
        calls are up.  Here it would be: we, the staging's task, its frame, the callback, we.
        """
        assert self._state is not StagingCallState.OVER  # then the INVITE has another owner
        self._state = state
        if state is StagingCallState.OVER:
            if self._staging is not None:
                self._staging.cancel()
                self._staging = None
            if self._ringing is not None:
                self._ringing.cancel()
                self._ringing = None

    def _ring(self) -> None:
        """Send our own 180 or 183."""
        self._enter(StagingCallState.RINGING)
        status = self._call.policy.ringing
        self._server.respond(self._responder.make_ringing(self._request, status, self._source))
        self._ringing = self._clock.call_later(RINGING_INTERVAL, self._ring)
        self._report.report_own_ringing(status)

    def _decided(self, decision: Decision) -> None:
        self._staging = None
        try:
            if isinstance(decision, Forward):
                self._forward_staged(decision)
            else:
                self._treat(decision)
        except Exception:  # an error of our own must not leave the caller without a response
            if self._state is not StagingCallState.OVER:
                self._enter(StagingCallState.OVER)
            self._report.report_internal_error(self._respond(500))
            raise

    def _forward_staged(self, forward: Forward) -> None:
        report, staged_id = self._report, forward.staged_id
        report.call, report.forward = self._attempt, forward
        report.return_unused = partial(self._stager.return_unused, self._attempt, forward)
        self._forward([one.with_staged_id(staged_id) for one in self._targets])

    def _forward(self, targets: list[Routed]) -> None:
        self._enter(StagingCallState.OVER)
        upstream = self._upstream
        search = TargetSearch(targets, upstream.failover, upstream.max_redirects)
        ResponseContext(
            self._sender, self._responder, search, self._source, self._server, self._report
        ).try_first_target()

    def _treat(self, failure: Refusal) -> None:
        """Apply the policy's next treatment to a call that could not be staged."""
        rung = self._state is StagingCallState.RINGING
        treatment = self._treatments.next_for(failure.cause, rung=rung)
        match treatment.kind:
            case TreatmentKind.AGENT:
                self._stage_instead(treatment.target, failure)
            case TreatmentKind.REFUSE:
                self._refuse(treatment, failure)
            case TreatmentKind.FORWARD as kind:
                self._report.report_treated(self._attempt, failure, kind)
                self._forward(self._targets)
            case TreatmentKind.REDIRECT as kind:
                self._report.report_treated(self._attempt, failure, kind)
                self._forward([self._redirected(treatment.target)])
            case TreatmentKind.MOVED as kind:
                self._report.report_treated(self._attempt, failure, kind)
                self._end_moved(treatment.target)
            case _:
                assert_never(treatment.kind)

    def _stage_instead(self, agent_id: str, failure: Refusal) -> None:
        left = self._call.deadline - self._report.elapsed()
        # With too little time it would fail as well, and the agent that has just failed would fail
        # again: both go to the next treatment.
        if left < MIN_STAGING_TIME or agent_id == self._attempt.agent_id:
            self._treat(failure)
            return
        self._report.report_treated(self._attempt, failure, TreatmentKind.AGENT)
        self._attempt = self._call._replace(agent_id=agent_id, deadline=left)
        self._staging = self._stager.start_staging(self._attempt, self._decided)

    def _redirected(self, uri: str) -> Routed:
        """Return a target at another URI, which becomes the Request-URI."""
        target = parse_uri(uri.encode())
        first = self._targets[0]
        request = first.request.with_uri(as_request_uri(target.text))
        return first._replace(request=request, leaving=None, next_hop=target)

    def _end_moved(self, uri: str) -> None:
        self._enter(StagingCallState.OVER)
        extra = ((b"Contact", b"<%b>" % uri.encode()),)
        self._report.report_ended(CallOutcome.MOVED, self._respond(302, extra), None)

    def _refuse(self, treatment: Treatment, failure: Refusal) -> None:
        self._enter(StagingCallState.OVER)
        status = treatment.status or self._call.policy.refusal_for(failure.cause)
        reason = treatment.reason or REASONS.get(status, b"").decode()
        retry_after = failure.retry_after if status in RETRY_AFTER_STATUSES else None
        refusal = Refusal(status, reason, failure.cause, failure.text, retry_after)
        server, call, report = self._server, self._call, self._report
        to, rung = (self._request, server.respond), report.own_ringing
        self._responder.refuse(
            *to, refusal, call.trunk, report.elapsed(), server.to_tag, call, rung
        )

    def _respond(self, status: int, extra: Extra = ()) -> Response:
        """Respond to the INVITE; after our own ringing, with the To tag of that early dialog."""
        tag = self._server.to_tag or self._responder.tag(self._request)
        response = make_response(self._request, status, tag, extra)
        self._server.respond(response)
        return response
