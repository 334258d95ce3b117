"""The dispatch of each new request (RFC 3261 16.3 to 16.5).

Requests of a dialog are recognized by the seal in our Route alone: the proxy keeps no dialogs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sip_stager.events import MessageDropped
from sip_stager.model.vocabulary import DropCause
from sip_stager.proxy.bounds import RETRY_AFTER
from sip_stager.proxy.dialog_fast_path import DialogFastPath
from sip_stager.proxy.non_invite_relay import Relay
from sip_stager.proxy.preprocessing import preprocess
from sip_stager.proxy.request_forwarding import STAGED_ID_FIELD, Routed, route_to_next_hop
from sip_stager.proxy.response_context import ResponseContext
from sip_stager.proxy.validation import (
    OwnResponse,
    respond_as_user_agent,
    routing_digest,
    validate,
)
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.privacy import strip_user_fields, without_privacy_tag
from sip_stager.sip.responses import make_response, make_trying, warning_field

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Admission, Notify
    from sip_stager.proxy.bounds import Bounds
    from sip_stager.proxy.preprocessing import Popped
    from sip_stager.proxy.responder import Responder
    from sip_stager.proxy.seal import Seal
    from sip_stager.proxy.sender import Sender
    from sip_stager.sip.message import Request
    from sip_stager.transaction.invite_server import InviteServerTransaction
    from sip_stager.transaction.non_invite_server import ServerTransaction

    Server = InviteServerTransaction | ServerTransaction

UNAVAILABLE = OwnResponse(503, ((b"Retry-After", b"%d" % RETRY_AFTER),))
"""The response to a request that we cannot serve now."""
NO_ROUTE = "no Route of ours: does the callee copy Record-Route, and does the caller use it?"
"""The Warning for a request of a dialog without our Route, for the peer's engineer."""
NOT_SEALED = "the Route was not made here for this dialog: its user part, Call-ID and tags differ"
"""The Warning for a request of a dialog whose Route is ours, but whose seal does not match."""
EXPIRED = "the call has lasted longer than [seal] lifetime allows"
"""The Warning for a request of a dialog that is older than a seal can be."""


class NewCallHandler(Protocol):
    """The owner of INVITEs that begin calls; ``closed`` is True once the program stops."""

    closed: bool

    def receive_invite(
        self, request: Request, routing: bytes, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Receive a valid INVITE; ``routing`` is the digest of its routing."""


class Proxy:
    """The proxy core: the user of the transaction layer.

    A request that it answers itself is forgotten at once, so that no stranger can fill a store.
    """

    def __init__(
        self,
        sender: Sender,
        responder: Responder,
        seal: Seal,
        admission: Admission,
        bounds: Bounds,
        new_calls: NewCallHandler,
        notify: Notify,
    ) -> None:
        self._sender = sender
        self._responder = responder
        self._seal = seal
        self._admission = admission
        self._bounds = bounds
        self._new_calls = new_calls
        self._notify = notify
        self._layer = sender.layer
        parts = sender.interfaces, sender.locator, seal, sender.identifiers
        self._fast_path = DialogFastPath(*parts)
        self._layer.attach(self)

    def receive_invite(
        self, invite: Request, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Receive an INVITE, which begins a call or belongs to one."""
        if invite.to_tag and (routed := self._usual(invite, source, transaction)):
            self._forward_later_invite(routed, source, transaction)
            return
        checked = self._check(invite, source, transaction)
        if checked is None:
            return
        popped, routing = checked
        # Without a To tag it begins a call, whatever its Route: a seal is no permission to call.
        if not invite.to_tag:
            self._new_calls.receive_invite(popped.request, routing, source, transaction)
        elif routed := self._route(popped, routing, source, transaction):
            self._forward_later_invite(routed, source, transaction)

    def receive_request(
        self, request: Request, source: Flow, transaction: ServerTransaction
    ) -> None:
        """Receive any other request, which belongs to a call or is for us."""
        routed = self._usual(request, source, transaction)
        routed = routed or self._route_or_answer(request, source, transaction)
        if routed is not None:
            Relay(
                self._sender, self._responder, self._notify, routed, source, transaction
            ).forward_request()

    def receive_ack(self, ack: Request, source: Flow) -> None:
        """Forward the ACK of a 2xx without state (RFC 3261 16.11)."""
        if (routed := self._fast_path.route(ack, source)) and routed.flow is not None:
            if not self._responder.is_of_refusal(ack):
                self._sender.forward_ack(routed, source, routed.flow)
            return
        try:
            popped = self._strip(self._preprocess(ack, source), source)
            routed = self._hide_from(route_to_next_hop(popped), popped)
            if self._responder.is_of_refusal(ack):
                return  # it acknowledges a refusal of ours, which was sent without a transaction
            wrong = self._why_not_ours(popped) or (
                "no hops are left" if ack.max_forwards == 0 else ""
            )
        except Malformed as fault:
            self._drop(source, DropCause.MALFORMED, str(fault))
            return
        if wrong:
            self._drop(source, DropCause.STRAY_ACK, wrong)
            return

        def located(target: Flow | None) -> None:
            if target is None:
                self._drop(source, DropCause.UNROUTABLE, "the next hop of an ACK has no address")
            else:
                self._sender.forward_ack(routed, source, target)

        self._sender.locator.find(routed, located)

    def receive_cancel(
        self,
        cancel: Request,
        transaction: ServerTransaction,
        invite: InviteServerTransaction | None,
    ) -> None:
        """Answer a CANCEL at once, and cancel its INVITE (RFC 3261 9.2, 16.10)."""
        if invite is None:
            self._answer(cancel, transaction, OwnResponse(481))
            return
        tag = invite.to_tag or self._responder.tag(cancel)
        response = make_response(cancel, 200, tag)
        if self._bounds.exceeded(self._layer, transaction.size, 2):
            # No memory: the Reason would be kept until a provisional response permits our CANCEL.
            cancel = cancel.without(b"reason")
            transaction.respond_statelessly(response)
        else:
            invite.charge(transaction.size)
            transaction.respond(response)
        if invite.owner is not None:  # else the INVITE has its final response
            invite.unregister()
            invite.owner.cancel(cancel)

    def _forward_later_invite(
        self, routed: Routed, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        transaction.send_response(100, make_trying(routed.request))
        ResponseContext(
            self._sender, self._responder, (routed,), source, transaction
        ).try_first_target()

    def _usual(self, request: Request, source: Flow, transaction: Server) -> Routed | None:
        """Route a usual request of a dialog; None for the general path."""
        if self._bounds.exceeded(self._layer, transaction.size, 2):
            return None
        return self._fast_path.route(request, source)

    def _route_or_answer(
        self, request: Request, source: Flow, transaction: ServerTransaction
    ) -> Routed | None:
        """Route a request of a dialog; answer it and return None if it is of none, or invalid."""
        checked = self._check(request, source, transaction)
        if checked is None:
            return None
        popped, routing = checked
        if self._is_of_dialog(popped):
            return self._route(popped, routing, source, transaction)
        self._answer_as_user_agent(request, source, transaction)
        return None

    def _check(
        self, request: Request, source: Flow, transaction: Server
    ) -> tuple[Popped, bytes] | None:
        """Preprocess (16.4) and validate (16.3) a request; None if it was answered instead."""
        try:
            popped = self._preprocess(request, source)
            routing = routing_digest(popped.request, self._sender.identifiers)
            answer = validate(request, routing)
        except Malformed as fault:
            answer = OwnResponse.to_malformed(fault)
        if answer is None:
            return popped, routing
        self._answer(request, transaction, answer)
        if request.method == b"INVITE" and not request.to_tag:
            self._responder.report_invalid(request, *answer)
        return None

    def _route(
        self, popped: Popped, routing: bytes, source: Flow, transaction: Server
    ) -> Routed | None:
        """Route a request of a dialog (16.6); None if it was answered instead."""
        try:
            popped = self._strip(popped, source)
            routed = route_to_next_hop(popped, routing)
            wrong = self._why_not_ours(popped)
        except Malformed as fault:
            self._answer(popped.request, transaction, OwnResponse.to_malformed(fault))
            return None
        if wrong:
            self._answer(popped.request, transaction, OwnResponse(481, (warning_field(wrong),)))
            return None
        if self._bounds.exceeded(self._layer, transaction.size, 2):
            self._answer(popped.request, transaction, UNAVAILABLE)
            return None
        own, seal = popped.own_route, self._seal
        if own is None:
            return routed
        routed = self._hide_from(routed, popped)
        return routed._replace(
            seal=own.user or b"", to_anonymous=seal.to_anonymous(own, popped.request)
        )

    def _hide_from(self, routed: Routed, popped: Popped) -> Routed:
        """Hide the From and the user agent of a caller who requested so when the dialog began.

        RFC 3323 5.3; the request itself need not say so again.
        """
        own, request = popped.own_route, popped.request
        hidden = own is not None and self._seal.hides_from(own, request)
        if not hidden:
            return routed
        return routed._replace(request=strip_user_fields(routed.request), hides_from=True)

    def _preprocess(self, request: Request, source: Flow) -> Popped:
        """Remove the routing that led a request here (RFC 3261 16.4); raises ``Malformed``."""
        return preprocess(request, self._sender.interfaces, self._seal, source.interface)

    def _strip(self, popped: Popped, source: Flow) -> Popped:
        """Strip our own header fields, and the identity fields if the dialog's caller is anonymous.

        The INVITE that began the dialog decides on privacy for all of it; the seal remembers.
        """
        own, request = popped.own_route, popped.request.without(STAGED_ID_FIELD)
        anonymous = own is not None and self._seal.from_anonymous(own, request)
        request = self._admission.strip_identity(request, source, anonymous=anonymous)
        if b"proxy-require" in request.shape.first:
            request = without_privacy_tag(request)
        return popped._replace(request=request)

    def _is_of_dialog(self, popped: Popped) -> bool:
        """Return True for a request of a dialog: by its To tag, or without one by our seal.

        RFC 3261 12.2.1.1: a peer of RFC 2543 may have no tag that the To could hold.
        """
        try:
            return bool(popped.request.to_tag) or not self._why_not_ours(popped)
        except Malformed:  # no seal can be valid without a readable From tag
            return False

    def _why_not_ours(self, popped: Popped) -> str:
        """Return why a request is of no dialog that we recorded; empty if it is of one."""
        own = popped.own_route
        if own is None:
            return NO_ROUTE
        if self._seal.is_valid(own, popped.request):
            return ""
        return EXPIRED if self._seal.is_expired(own, popped.request) else NOT_SEALED

    def _answer_as_user_agent(self, request: Request, source: Flow, transaction: Server) -> None:
        try:
            if self._new_calls.closed:
                answer = UNAVAILABLE
            # RFC 3261 11.2: the status of OPTIONS is the one that an INVITE would get.
            elif request.method == b"OPTIONS" and (why := self._admission.out_of_service(source)):
                answer = OwnResponse(503, (warning_field(why),))
            else:
                answer = respond_as_user_agent(request)
        except Malformed as fault:
            answer = OwnResponse.to_malformed(fault)
        self._answer(request, transaction, answer)

    def _answer(self, request: Request, transaction: Server, answer: OwnResponse) -> None:
        """Answer a request statelessly (RFC 3261 8.2.7)."""
        transaction.respond_statelessly(self._responder.make_response(request, *answer))

    def _drop(self, source: Flow, cause: DropCause, detail: str) -> None:
        """Report a message that is dropped."""
        self._notify(MessageDropped(source, cause, detail))
