"""An INVITE that begins a call, while its agent is staged.

::

      INVITE -> held ---- staged ----> forwarded (invite.py)
                 |  |
                 |  +---- not staged --> the policy's treatments, one after another: another agent
                 |                       is staged, or the call goes on without one, elsewhere,
                 |                       or is refused
                 +------- CANCEL ------> 487, and staging is stopped
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, assert_never

from sip_stager.events import CallEnded, CallRinging, CallTreated
from sip_stager.model.call import MIN_STAGING_TIME, REFUSE, Forward, Refusal
from sip_stager.model.vocabulary import CallOutcome, TreatmentKind
from sip_stager.proxy.bounds import stopping
from sip_stager.proxy.invite import ForwardedInvite
from sip_stager.proxy.new_call import NewCall, with_id, without_id
from sip_stager.proxy.treatments import Treatments, with_time_for_another
from sip_stager.sip.responses import (
    REASONS,
    RETRY_AFTER_STATUSES,
    Extra,
    make_early_response,
    make_response,
)
from sip_stager.sip.uri import as_request_uri, parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.call import Call, Decision, Treatment
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Cancellable, Stager
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.proxy.routing import Routed
    from sip_stager.sip.message import Request
    from sip_stager.transaction.invite_server import InviteServerTransaction

RING_AGAIN = 60.0
"""Seconds between two provisional responses of ours (RFC 3261 13.3.1.1)."""


class HeldInvite:
    """Waits for staging's decision, and rings meanwhile where the policy says so."""

    __slots__ = (
        "_asked", "_began", "_call", "_facilities", "_request", "_ringing", "_rings", "_rung",
        "_server", "_source", "_stager", "_staging", "_targets", "_treatments",
    )  # fmt: skip

    def __init__(
        self,
        facilities: Facilities,
        call: Call,
        targets: list[Routed],
        source: Flow,
        server: InviteServerTransaction,
        stager: Stager,
    ) -> None:
        self._facilities = facilities
        self._call = call
        self._targets = targets
        self._request = targets[0].request
        # RFC 3262 3: what we could send of our own is not as reliable as such an INVITE wants it.
        self._rings = call.policy.ringing > 0 and not self._request.requires(b"100rel")
        self._asked = with_time_for_another(call, rings=self._rings)
        self._source = source
        self._server = server
        self._stager = stager
        self._began = facilities.now()
        self._staging: Cancellable | None = None
        self._ringing: Cancellable | None = None
        self._rung = False
        self._treatments = Treatments(call.policy)

    def start(self) -> None:
        """Say 100 and begin to stage; a call without an agent goes on as it is."""
        self._server.owner = self
        self._server.respond(make_response(self._request, 100))
        if not self._call.agent_id:
            self._forward([without_id(one) for one in self._targets])
            return
        self._staging = self._stager.start(self._asked, self._decided)
        if self._rings:
            clock, ringing_delay = self._facilities.clock, self._call.policy.ringing_delay
            self._ringing = clock.call_later(ringing_delay, self._ring)

    def cancel(self, _cancel: Request) -> None:
        """Stop staging and end the call; nothing goes upstream."""
        if self._staging is not None:
            self._staging.cancel()
        self._stop()
        self._respond(487)
        self._facilities.notify(
            CallEnded(self._call, "", CallOutcome.CANCELLED, 487, self._elapsed())
        )

    def stop(self) -> None:
        """Refuse the call, because the program ends."""
        if self._staging is not None:
            self._staging.cancel()
        self._refuse(REFUSE, stopping(self._call))

    def _stop(self) -> None:
        """Let go what is under way; a task that was cancelled holds a frame that leads to us."""
        self._staging = None
        if self._ringing is not None:
            self._ringing.cancel()
            self._ringing = None

    def _ring(self) -> None:
        """Let the caller hear ringing, in an early dialog of our own that the real one ends."""
        facilities, status = self._facilities, self._call.policy.ringing
        request, tag = self._request, facilities.tag(self._request, b"ringing")
        contact = facilities.interfaces.contact(self._source.interface)
        self._server.respond(make_early_response(request, status, tag, contact))
        self._ringing = facilities.clock.call_later(RING_AGAIN, self._ring)
        if not self._rung:
            self._rung = True
            facilities.notify(CallRinging(self._call, status, self._elapsed(), local=True))

    def _decided(self, decision: Decision) -> None:
        self._staging = None
        try:
            if isinstance(decision, Forward):
                self._forward_staged(decision)
            else:
                self._treat(decision)
        except Exception:  # a mistake of ours must not leave the caller in silence
            self._stop()
            self._respond(500)
            raise

    def _forward_staged(self, forward: Forward) -> None:
        targets = [with_id(one, forward.staged_id) for one in self._targets]
        return_unused = partial(self._stager.return_unused, self._asked, forward)
        self._go_on(targets, self._asked, forward, return_unused)

    def _forward(self, targets: list[Routed]) -> None:
        """Go on without a staged agent."""
        self._go_on(targets, self._call)

    def _go_on(
        self,
        targets: list[Routed],
        call: Call,
        forward: Forward | None = None,
        return_unused: Callable[[], None] | None = None,
    ) -> None:
        self._stop()
        facilities = self._facilities
        new = NewCall(facilities, call, self._began, self._rung, forward, return_unused)
        ForwardedInvite(facilities, targets, self._source, self._server, new).start()

    def _treat(self, failure: Refusal) -> None:
        """Do what the policy says next for a call that could not be staged."""
        treatment = self._treatments.following(failure.cause, rung=self._rung)
        match treatment.kind:
            case TreatmentKind.AGENT:
                self._stage_instead(treatment.target, failure)
            case TreatmentKind.REFUSE:
                self._refuse(treatment, failure)
            case TreatmentKind.FORWARD as kind:
                self._tell(failure, kind)
                self._forward([without_id(one) for one in self._targets])
            case TreatmentKind.REDIRECT as kind:
                self._tell(failure, kind)
                self._forward([self._towards(treatment.target)])
            case TreatmentKind.MOVED as kind:
                self._tell(failure, kind)
                self._end_moved(treatment.target)
            case _:
                assert_never(treatment.kind)

    def _stage_instead(self, agent_id: str, failure: Refusal) -> None:
        left = self._call.deadline - self._elapsed()
        if left < MIN_STAGING_TIME or agent_id == self._asked.agent_id:
            self._treat(failure)
            return
        self._tell(failure, TreatmentKind.AGENT)
        self._asked = replace(self._call, agent_id=agent_id, deadline=left)
        self._staging = self._stager.start(self._asked, self._decided)

    def _towards(self, uri: str) -> Routed:
        """Make another target of the same INVITE, with its own Request-URI."""
        target = parse_uri(uri.encode())
        first = without_id(self._targets[0])
        request = first.request.with_uri(as_request_uri(target.text))
        return first._replace(request=request, leaving=None, next_hop=target)

    def _end_moved(self, uri: str) -> None:
        self._stop()
        extra = ((b"Contact", b"<%b>" % uri.encode()),)
        self._respond(302, extra)
        self._facilities.notify(CallEnded(self._call, "", CallOutcome.MOVED, 302, self._elapsed()))

    def _refuse(self, treatment: Treatment, failure: Refusal) -> None:
        self._stop()
        status = treatment.status or self._call.policy.refusal
        reason = treatment.reason or REASONS.get(status, b"").decode()
        retry_after = failure.retry_after if status in RETRY_AFTER_STATUSES else None
        refusal = Refusal(status, reason, failure.cause, failure.text, retry_after)
        server, trunk = self._server, self._call.trunk
        self._facilities.refuse(
            self._request, server.respond, refusal, trunk, self._elapsed(), server.to_tag
        )

    def _respond(self, status: int, extra: Extra = ()) -> None:
        """Answer, in the early dialog that our ringing began where there is one."""
        tag = self._server.to_tag or self._facilities.tag(self._request)
        self._server.respond(make_response(self._request, status, tag, extra))

    def _tell(self, failure: Refusal, kind: TreatmentKind) -> None:
        event = CallTreated(self._asked, failure.cause, kind, failure.text, self._elapsed())
        self._facilities.notify(event)

    def _elapsed(self) -> float:
        return self._facilities.now() - self._began
