"""Decides what becomes of each new request (RFC 3261 16.3 to 16.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.model.vocabulary import DropCause
from sip_stager.proxy.bounds import RETRY_AFTER
from sip_stager.proxy.ending import Ending
from sip_stager.proxy.forwarding import CALL_ID_FIELD, hops_left
from sip_stager.proxy.invite import ForwardedInvite
from sip_stager.proxy.new_calls import NewCalls
from sip_stager.proxy.relay import Relay
from sip_stager.proxy.routing import Popped, Routed, towards_next_hop
from sip_stager.proxy.validation import Answer, own_answer, rejection, routing_of
from sip_stager.sip.fields import Malformed
from sip_stager.sip.responses import make_response, warning_field

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Admission, Stager
    from sip_stager.proxy.bounds import Bounds
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.sip.message import Request
    from sip_stager.transaction.invite_server import InviteServerTransaction
    from sip_stager.transaction.server import ServerTransaction

    Server = InviteServerTransaction | ServerTransaction

UNAVAILABLE = Answer(503, ((b"Retry-After", b"%d" % RETRY_AFTER),))
"""What is not to be asked of us now."""
NO_ROUTE = "no Route of ours: does the callee copy Record-Route, and does the caller use it?"
"""Why a request of a dialog goes nowhere, in the words that help the peer's engineer."""
NOT_SEALED = "the Route was not made here for this dialog: its user part, Call-ID and tags differ"
"""The same, where our Route is in it."""


class Proxy:
    """The proxy core: the user of the transaction layer.

    What it answers itself it forgets at once, so that no stranger can fill a store.
    """

    def __init__(
        self,
        facilities: Facilities,
        admission: Admission,
        stager: Stager,
        bounds: Bounds,
    ) -> None:
        self._facilities = facilities
        self._admission = admission
        self._bounds = bounds
        self._new_calls = NewCalls(facilities, admission, stager, bounds)
        self.ending = Ending(facilities.layer, self._new_calls)
        facilities.layer.attach(self)

    def receive_invite(
        self, invite: Request, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Take an INVITE: it begins a call, or belongs to one."""
        checked = self._checked(invite, source, transaction)
        if checked is None:
            return
        popped, routing = checked
        if not invite.to_tag:  # however it is sealed: a seal is no permission to call
            self._new_calls.begin(popped.request, routing, source, transaction)
        elif routed := self._relayable(popped, routing, source, transaction):
            transaction.respond(make_response(routed.request, 100))
            ForwardedInvite(self._facilities, (routed,), source, transaction).start()

    def receive_request(
        self, request: Request, source: Flow, transaction: ServerTransaction
    ) -> None:
        """Take any other request: it belongs to a call, or is for us."""
        checked = self._checked(request, source, transaction)
        if checked is None:
            return
        popped, routing = checked
        if not self._of_dialog(popped):
            self._answer_ourselves(request, transaction)
        elif routed := self._relayable(popped, routing, source, transaction):
            Relay(self._facilities, routed, source, transaction).start()

    def receive_ack(self, ack: Request, source: Flow) -> None:
        """Forward the ACK of a 2xx without state (RFC 3261 16.11)."""
        facilities = self._facilities
        try:
            popped = self._strip(facilities.preprocessed(ack, source), source)
            routed = towards_next_hop(popped)
            if ack.to_tag == facilities.tag(ack):
                return  # it acknowledges a refusal of ours, of which nothing is kept
            wrong = self._unsealed(popped) or ("no hops are left" if hops_left(ack) == 0 else "")
        except Malformed as fault:
            facilities.drop(source, DropCause.MALFORMED, str(fault))
            return
        if wrong:
            facilities.drop(source, DropCause.STRAY_ACK, wrong)
            return

        def located(target: Flow | None) -> None:
            if target is None:
                facilities.drop(
                    source, DropCause.UNROUTABLE, "the next hop of an ACK has no address"
                )
            else:
                facilities.forward_ack(routed, source, target)

        facilities.locator.find(routed, located)

    def receive_cancel(
        self,
        cancel: Request,
        transaction: ServerTransaction,
        invite: InviteServerTransaction | None,
    ) -> None:
        """Answer a CANCEL at once, and let go what it means (RFC 3261 9.2, 16.10)."""
        if invite is None:
            self._answer(cancel, transaction, Answer(481))
            return
        tag = invite.to_tag or self._facilities.tag(cancel)
        response = make_response(cancel, 200, tag)
        if self._bounds.reached(self._facilities.layer, transaction.size, 2):
            cancel = cancel.without(b"reason")  # which may have to wait for a provisional response
            transaction.respond_statelessly(response)
        else:
            invite.charge(transaction.size)
            transaction.respond(response)
        if invite.owner is not None:  # else the INVITE has its final response
            invite.unregister()
            invite.owner.cancel(cancel)

    def _checked(
        self, request: Request, source: Flow, transaction: Server
    ) -> tuple[Popped, bytes] | None:
        """Preprocess (16.4) and validate (16.3) a request; None where it was answered instead."""
        try:
            popped = self._facilities.preprocessed(request, source)
            routing = routing_of(popped.request, self._facilities.identifiers)
            answer = rejection(request, routing)
        except Malformed as fault:
            answer = Answer.to(fault)
        if answer is None:
            return popped, routing
        self._answer(request, transaction, answer)
        return None

    def _relayable(
        self, popped: Popped, routing: bytes, source: Flow, transaction: Server
    ) -> Routed | None:
        """Route a request of a dialog (16.6); None where it is not to go on and was answered."""
        try:
            popped = self._strip(popped, source)
            routed = towards_next_hop(popped, routing)
            wrong = self._unsealed(popped)
        except Malformed as fault:
            self._answer(popped.request, transaction, Answer.to(fault))
            return None
        if wrong:
            self._answer(popped.request, transaction, Answer(481, (warning_field(wrong),)))
            return None
        if self._bounds.reached(self._facilities.layer, transaction.size, 2):
            self._answer(popped.request, transaction, UNAVAILABLE)
            return None
        own, seal = popped.own, self._facilities.seal
        if own is None:
            return routed
        return routed._replace(
            seal=own.user or b"", to_anonymous=seal.to_anonymous(own, popped.request)
        )

    def _strip(self, popped: Popped, source: Flow) -> Popped:
        """Strip our own header field, and the identity fields if the dialog's caller is anonymous.

        The INVITE that began the dialog decides on privacy for all of it; the seal remembers.
        """
        own, request = popped.own, popped.request.without(CALL_ID_FIELD)
        anonymous = own is not None and self._facilities.seal.from_anonymous(own, request)
        request = self._admission.strip_identity(request, source, anonymous=anonymous)
        return popped._replace(request=request)

    def _of_dialog(self, popped: Popped) -> bool:
        """Whether a request is of a dialog: by its To tag, or where a peer has none by our seal.

        RFC 3261 12.2.1.1: who never wrote a tag is not named by one.
        """
        try:
            return bool(popped.request.to_tag) or not self._unsealed(popped)
        except Malformed:  # a From without a tag that can be read has no seal that could hold
            return False

    def _unsealed(self, popped: Popped) -> str:
        """Tell why a request is of no dialog that we recorded; empty where it is of one."""
        if popped.own is None:
            return NO_ROUTE
        return "" if self._facilities.seal.holds(popped.own, popped.request) else NOT_SEALED

    def _answer_ourselves(self, request: Request, transaction: Server) -> None:
        try:
            answer = UNAVAILABLE if self._new_calls.ended else own_answer(request)
        except Malformed as fault:
            answer = Answer.to(fault)
        self._answer(request, transaction, answer)

    def _answer(self, request: Request, transaction: Server, answer: Answer) -> None:
        """Answer without keeping anything of it (RFC 3261 8.2.7)."""
        transaction.respond_statelessly(self._facilities.response(request, *answer))
