"""The dispatch of each new request: by its method, and by whether it belongs to a dialog.

::

    request -- our Route is removed (16.4), it is validated (16.3) --> invalid: answered here
       |
       +--- INVITE without a To tag: a new call ---> calls/new_calls.py
       +--- INVITE of a dialog --------------------> response_context.py
       +--- CANCEL --------------------------------> whoever works on its INVITE
       +--- ACK that matches no transaction -------> stateless.py
       +--- any other of a dialog -----------------> non_invite_relay.py
       +--- any other -----------------------------> answered here, as a user agent (11.2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sip_stager.proxy.bounds import RETRY_AFTER
from sip_stager.proxy.dialog_fast_path import DialogFastPath
from sip_stager.proxy.dialog_routing import DialogRouting
from sip_stager.proxy.non_invite_relay import Relay
from sip_stager.proxy.response_context import ResponseContext
from sip_stager.proxy.stateless import AckForwarding
from sip_stager.proxy.target_search import TargetSearch
from sip_stager.proxy.validation import (
    IN_DIALOG_ONLY,
    OwnResponse,
    respond_as_user_agent,
    routing_digest,
    validate,
)
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.responses import make_response, make_trying, warning_field

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Admission, Notify
    from sip_stager.proxy.bounds import Bounds
    from sip_stager.proxy.preprocessing import Popped
    from sip_stager.proxy.request_forwarding import Routed
    from sip_stager.proxy.responder import Responder
    from sip_stager.proxy.seal import Seal
    from sip_stager.proxy.sender import Sender
    from sip_stager.sip.message import Request
    from sip_stager.transaction.invite_server import InviteServerTransaction
    from sip_stager.transaction.non_invite_server import ServerTransaction

    Server = InviteServerTransaction | ServerTransaction

UNAVAILABLE = OwnResponse(503, ((b"Retry-After", b"%d" % RETRY_AFTER),))
"""The response to a request that we cannot serve now."""


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
        self._admission = admission
        self._bounds = bounds
        self._new_calls = new_calls
        self._notify = notify
        self._layer = sender.layer
        parts = sender.interfaces, sender.locator, seal, sender.identifiers
        self._fast_path = DialogFastPath(*parts)
        self._dialogs = DialogRouting(sender.interfaces, sender.locator, seal, admission)
        self._acks = AckForwarding(sender, responder, self._dialogs, self._fast_path, notify)
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
        self._acks.forward_ack(ack, source)

    def receive_cancel(
        self,
        cancel: Request,
        source: Flow,
        transaction: ServerTransaction,
        invite: InviteServerTransaction | None,
    ) -> None:
        """Answer a CANCEL at once, and cancel its INVITE (RFC 3261 9.2, 16.10)."""
        if invite is None or not self._is_of_caller(cancel, source, invite):
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

    def _is_of_caller(self, cancel: Request, source: Flow, invite: InviteServerTransaction) -> bool:
        """Return True if a CANCEL is of the peer whose INVITE it matches.

        9.2 compares the branch, the Call-ID and the CSeq number, which others on the way may have
        seen.  A CANCEL needs no permission, so it must at least come from where the INVITE did,
        or from another address of that trunk, and have its From tag.
        """
        if invite.owner is None:  # the INVITE has its final response: nothing is cancelled
            return True
        tag, host = invite.owner.origin
        is_near = host == source.host or self._admission.share_trunk(host, source.host)
        return is_near and tag == cancel.from_tag

    def _forward_later_invite(
        self, routed: Routed, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        transaction.send_response(100, make_trying(routed.request))
        ResponseContext(
            self._sender, self._responder, TargetSearch((routed,)), source, transaction
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
        if self._dialogs.is_of_dialog(popped):
            return self._route(popped, routing, source, transaction)
        self._answer_as_user_agent(request, source, transaction)
        return None

    def _check(
        self, request: Request, source: Flow, transaction: Server
    ) -> tuple[Popped, bytes] | None:
        """Preprocess (16.4) and validate (16.3) a request; None if it was answered instead."""
        try:
            popped = self._dialogs.preprocess(request, source)
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
            routed = self._dialogs.route(popped, source, routing)
            wrong = self._dialogs.why_not_ours(popped)
        except Malformed as fault:
            self._answer(popped.request, transaction, OwnResponse.to_malformed(fault))
            return None
        if wrong:
            self._answer(popped.request, transaction, OwnResponse(481, (warning_field(wrong),)))
            return None
        if self._bounds.exceeded(self._layer, transaction.size, 2):
            self._answer(popped.request, transaction, UNAVAILABLE)
            return None
        return routed

    def _answer_as_user_agent(self, request: Request, source: Flow, transaction: Server) -> None:
        try:
            # A method of dialogs gets 481 as ever: its call is not here, now or later.
            if self._new_calls.closed and request.method not in IN_DIALOG_ONLY:
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
