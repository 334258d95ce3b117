"""Takes the INVITEs that begin calls: whose each is, and whether there is room for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sip_stager.events import CallAdmitted
from sip_stager.model.call import Refusal
from sip_stager.proxy.bounds import stopping
from sip_stager.proxy.held import HeldInvite
from sip_stager.proxy.second_copy import SecondCopy
from sip_stager.proxy.validation import Answer
from sip_stager.sip.fields import Malformed
from sip_stager.sip.responses import warning_field

if TYPE_CHECKING:
    from sip_stager.model.call import Call
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Admission, Stager
    from sip_stager.proxy.bounds import Bounds
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.sip.message import Request
    from sip_stager.transaction.invite_server import InviteServerTransaction


class NewCalls:
    """Holds each for its staging, or answers it.

    ``ended`` turns true when no more are to be taken.  An INVITE's ``routing`` is a digest of what
    tells it from others, and the same in its copies.
    """

    def __init__(
        self, facilities: Facilities, admission: Admission, stager: Stager, bounds: Bounds
    ) -> None:
        self._facilities = facilities
        self._admission = admission
        self._stager = stager
        self._bounds = bounds
        self._ongoing: dict[bytes, InviteServerTransaction] = {}
        self.ended = False

    def begin(
        self, request: Request, routing: bytes, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Take one, or a copy of one that came by another way."""
        if routing not in self._ongoing:
            self._admit(request, routing, source, transaction)
            return
        decide = partial(self._decide_on_copy, request, routing, source, transaction)
        if self._bounds.reached(self._facilities.layer, transaction.size):
            decide()
        else:
            SecondCopy(self._facilities, request, transaction, decide)

    def _decide_on_copy(
        self, request: Request, routing: bytes, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Take an INVITE whose first copy was given up meanwhile (RFC 3261 8.2.2.2)."""
        if routing in self._ongoing:
            merged = Answer(482, (warning_field("a merged request"),))
            transaction.respond_statelessly(self._facilities.response(request, *merged))
        else:
            self._admit(request, routing, source, transaction)

    def _admit(
        self, request: Request, routing: bytes, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        try:
            admitted = self._admission.admit(request, source)
        except Malformed as fault:
            transaction.respond_statelessly(self._facilities.response(request, *Answer.to(fault)))
            return
        if not isinstance(admitted, Refusal):
            admitted = self._turned_away(admitted, transaction.size) or admitted
        if isinstance(admitted, Refusal):
            self._facilities.refuse(
                request, transaction.respond_statelessly, admitted, admitted.trunk, 0.0
            )
        else:
            stripped = self._admission.strip_identity(request, source)
            self._hold(admitted, stripped, routing, source, transaction)

    def _turned_away(self, call: Call, size: int) -> Refusal | None:
        """Refuse a call at the end, or one too many; who needs nothing of the API takes no room."""
        if self.ended:
            return stopping(call)
        staging = self._stager.waiting
        full = staging >= self._bounds.calls_staging
        if full and (not call.agent_id or self._stager.can_reuse(call)):
            staging = 0
        return self._bounds.refusal(call, staging, self._facilities.layer, size)

    def _hold(
        self,
        call: Call,
        request: Request,
        routing: bytes,
        source: Flow,
        transaction: InviteServerTransaction,
    ) -> None:
        self._ongoing[routing] = transaction
        transaction.register(self._ongoing, routing)
        self._facilities.notify(CallAdmitted(call, source))
        seal = self._facilities.seal.made(request, anonymous=call.anonymous)
        targets = [
            one._replace(seal=seal)
            for one in self._facilities.upstream.targets(request, routing, call.to_number)
        ]
        HeldInvite(self._facilities, call, targets, source, transaction, self._stager).start()
