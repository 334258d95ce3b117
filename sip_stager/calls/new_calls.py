"""The admission of INVITEs that begin calls: by trunk and number, and within the bounds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sip_stager.calls.call_report import CallReport
from sip_stager.calls.second_copy import SecondCopy
from sip_stager.calls.staging_call import StagingCall
from sip_stager.events import CallAdmitted, FlowRecorded
from sip_stager.model.call import Refusal
from sip_stager.proxy.bounds import refuse_stopped
from sip_stager.proxy.flow_token import is_private, make_flow_token
from sip_stager.proxy.validation import OwnResponse
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.privacy import hides_from
from sip_stager.sip.responses import warning_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.call import Call
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Admission, Clock, Notify, Stager
    from sip_stager.proxy.bounds import Bounds
    from sip_stager.proxy.responder import Responder
    from sip_stager.proxy.seal import Seal
    from sip_stager.proxy.sender import Sender
    from sip_stager.proxy.target_set import UpstreamTargets
    from sip_stager.sip.message import Request
    from sip_stager.transaction.invite_server import InviteServerTransaction

_OF_ANOTHER_DIALOG = frozenset({b"replaces", b"join"})
"""An INVITE with one of these takes over, or joins, a dialog whose agent is there already.

RFC 3891, RFC 3911.
"""


class NewCalls:
    """Holds each new call for its staging, or refuses it.

    ``admitted`` counts the calls since the start, and ``closed`` is True once the program stops.
    ``routing`` is a digest of an INVITE's routing: its
    copies by other paths have the same one, and so are found in ``ongoing``.  It goes on with the
    calls and the count of the object ``before`` it, which had other settings.
    """

    def __init__(
        self,
        sender: Sender,
        responder: Responder,
        seal: Seal,
        upstream: UpstreamTargets,
        admission: Admission,
        stager: Stager,
        bounds: Bounds,
        clock: Clock,
        notify: Notify,
        now: Callable[[], float],
        before: NewCalls | None = None,
    ) -> None:
        self._responder = responder
        self._seal = seal
        self._upstream = upstream
        self._admission = admission
        self._stager = stager
        self._bounds = bounds
        self._clock = clock
        self._notify = notify
        self._layer = sender.layer
        self._now = now
        self._make_staging_call = partial(StagingCall, sender, responder, upstream, stager, clock)
        self.ongoing: dict[bytes, InviteServerTransaction] = before.ongoing if before else {}
        self.admitted: int = before.admitted if before else 0
        self.closed: bool = before.closed if before else False

    def receive_invite(
        self, request: Request, routing: bytes, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Receive an INVITE that begins a call, or a copy of one that came by another path."""
        if routing not in self.ongoing:
            self._admit(request, routing, source, transaction)
            return
        decide = partial(self._decide_on_copy, request, routing, source, transaction)
        if self._bounds.exceeded(self._layer, transaction.size):
            decide()  # waiting costs memory, and there is none left
        else:
            # It owns the transaction until it decides.
            SecondCopy(self._responder, self._clock, request, source, transaction, decide)

    def _decide_on_copy(
        self, request: Request, routing: bytes, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Reject a copy as merged (RFC 3261 8.2.2.2), or admit it if the first was cancelled."""
        if routing in self.ongoing:
            merged = OwnResponse(482, (warning_field("a merged request"),))
            transaction.respond_statelessly(self._responder.make_response(request, *merged))
        else:
            self._admit(request, routing, source, transaction)

    def _admit(
        self, request: Request, routing: bytes, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        try:
            admitted = self._admission.admit(request, source)
        except Malformed as fault:
            answer = OwnResponse.to_malformed(fault)
            transaction.respond_statelessly(self._responder.make_response(request, *answer))
            self._responder.report_invalid(request, *answer)
            return
        if not isinstance(admitted, Refusal):
            if not _OF_ANOTHER_DIALOG.isdisjoint(request.shape.first):
                admitted = _unstaged(admitted, request)
            admitted = self._refusal_at_limit(admitted, transaction.size) or admitted
        if isinstance(admitted, Refusal):
            self._responder.refuse(
                request, transaction.respond_statelessly, admitted, admitted.trunk, 0.0
            )
        else:
            # The identity fields stay unless admission found the caller to be anonymous.
            anonymous = admitted.anonymous
            stripped = self._admission.strip_identity(request, source) if anonymous else request
            self._hold(admitted, stripped, routing, source, transaction)

    def _refusal_at_limit(self, call: Call, size: int) -> Refusal | None:
        """Return the refusal of a call when the program stops or a bound is exceeded, or None."""
        if self.closed:
            return refuse_stopped(call)
        full = self._bounds.staging_exceeded(self._stager, call.trunk)
        # A call that needs no staging, or can reuse one, costs the API nothing: it may pass.
        if full and (not call.agent_id or self._stager.can_reuse(call)):
            full = False
        return self._bounds.refusal(call, self._layer, size, staging_full=full)

    def _hold(
        self,
        call: Call,
        request: Request,
        routing: bytes,
        source: Flow,
        transaction: InviteServerTransaction,
    ) -> None:
        self.admitted += 1
        self.ongoing[routing] = transaction
        transaction.register(self.ongoing, routing)
        self._notify(CallAdmitted(call, source))
        seal_for, token = self._seal.seal_for, b""
        named = self._seal.named_by(request)
        if call.nat or (named.is_private and call.nat is None and not is_private(source.host)):
            token = make_flow_token(source)
            self._notify(FlowRecorded(call, source))
        seal = seal_for(
            request, call.trunk, anonymous=call.anonymous, flow_token=token, named=named
        )
        targets = self._upstream.targets(request, routing, call.to_number, seal)
        if call.anonymous and hides_from(request):
            seal = seal_for(request, call.trunk, anonymous=True, hides_from=True, flow_token=token)
            targets = [one._replace(seal=seal, hides_from=True) for one in targets]
        now = self._now
        report = CallReport(self._clock, self._notify, now, call, now())
        self._make_staging_call(report, targets, source, transaction).start_staging()


def _unstaged(call: Call, invite: Request) -> Call:
    """Return a call for no staging if its INVITE means another dialog; an empty field means none.

    A second agent would talk to nobody, and its id would lead the call away from that dialog.
    """
    meant = any(invite.value(name) for name in _OF_ANOTHER_DIALOG)
    return call._replace(agent_id="") if meant else call
