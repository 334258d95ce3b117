"""Decides what becomes of each new request (RFC 3261 16.3 to 16.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.events import CallAdmitted, MessageDropped
from sip_stager.ports import Refusal
from sip_stager.proxy.forwarding import CALL_ID_FIELD, hops_left, make_copy
from sip_stager.proxy.held import HeldInvite
from sip_stager.proxy.invite import ForwardedInvite
from sip_stager.proxy.relay import Relay
from sip_stager.proxy.routing import (
    Popped,
    Routed,
    towards_next_hop,
    with_host_of,
    without_own_routes,
)
from sip_stager.sip.fields import Malformed
from sip_stager.sip.responses import Extra, make_response, warning

if TYPE_CHECKING:
    from sip_stager.ports import Admission, Flow, Stager
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.sip.message import Request
    from sip_stager.sip.uri import Uri
    from sip_stager.transaction.invite_server import InviteServerTransaction
    from sip_stager.transaction.server import ServerTransaction

    Server = InviteServerTransaction | ServerTransaction

ALLOW = (
    b"Allow",
    b"INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, MESSAGE",
)


NO_ROUTE = "no Route of ours: does the callee copy Record-Route, and does the caller use it?"
"""Why a request of a dialog goes nowhere, in the words that help the peer's engineer."""

OPEN_TO_STRANGERS = frozenset({b"ACK", b"BYE", b"INFO", b"NOTIFY", b"PRACK", b"UPDATE"})
"""What the far end of a dialog may send to a peer of ours from an address that we do not know."""


class Upstream(NamedTuple):
    """Where new calls go on: the URI, and whether its host goes into the Request-URI."""

    uri: Uri
    rewrite: bool = True


class Proxy:
    """The proxy core: the user of the transaction layer."""

    def __init__(
        self, facilities: Facilities, admission: Admission, stager: Stager, upstream: Upstream
    ) -> None:
        self._facilities = facilities
        self._admission = admission
        self._stager = stager
        self._upstream = upstream
        facilities.layer.attach(self)

    def receive_invite(
        self, invite: Request, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Take an INVITE: it begins a call, or belongs to one."""
        popped = self._checked(invite, transaction)
        if popped is None:
            return
        if not invite.to_tag:
            self._begin_call(popped.request, source, transaction)
        elif routed := self._relayable(popped, source, transaction):
            transaction.respond(make_response(routed.request, 100))
            ForwardedInvite(self._facilities, routed, source, transaction).start()

    def receive_request(
        self, request: Request, source: Flow, transaction: ServerTransaction
    ) -> None:
        """Take any other request: it belongs to a call, or is for us."""
        popped = self._checked(request, transaction)
        if popped is None:
            return
        if request.to_tag:
            if routed := self._relayable(popped, source, transaction):
                Relay(self._facilities, routed, source, transaction).start()
        elif request.method == b"OPTIONS":
            self._answer(request, transaction, 200, (ALLOW, (b"Accept", b"application/sdp")))
        else:
            self._answer(request, transaction, 405, (ALLOW,))

    def receive_ack(self, ack: Request, source: Flow) -> None:
        """Forward the ACK of a 2xx without state (RFC 3261 16.11)."""
        try:
            popped = without_own_routes(ack, self._facilities.interfaces)
            routed = towards_next_hop(popped)
        except Malformed as fault:
            self._drop(source, "malformed", str(fault))
            return
        if not popped.was_ours or hops_left(ack) == 0 or not self._concerns_us(routed, source):
            self._drop(source, "stray_ack", NO_ROUTE)
            return
        via = ack.value(b"via") or b""
        branch = self._facilities.identifiers.stateless_branch(via, ack.call_id)

        def located(target: Flow | None) -> None:
            self._send_ack(routed, branch, source, target)

        self._facilities.locator.find(routed, located)

    def receive_cancel(
        self,
        cancel: Request,
        transaction: ServerTransaction,
        invite: InviteServerTransaction | None,
    ) -> None:
        """Answer a CANCEL at once, and let go what it means (RFC 3261 9.2, 16.10)."""
        if invite is None:
            self._answer(cancel, transaction, 481)
            return
        self._answer(cancel, transaction, 200)
        if isinstance(invite.owner, HeldInvite | ForwardedInvite):
            invite.owner.cancel(cancel)

    def _checked(self, request: Request, transaction: Server) -> Popped | None:
        """Validate (16.3) and preprocess (16.4) a request; None where it was answered instead."""
        try:
            rejection = self._validate(request)
            popped = without_own_routes(request, self._facilities.interfaces)
        except Malformed as fault:
            rejection = fault.status, ()
        if rejection is None:
            return popped
        self._answer(request, transaction, *rejection)
        return None

    def _relayable(self, popped: Popped, source: Flow, transaction: Server) -> Routed | None:
        """Route a request of a dialog (16.6); None where it is not to go on and was answered."""
        request = popped.request.without(CALL_ID_FIELD)
        try:
            routed = towards_next_hop(popped._replace(request=request))
        except Malformed as fault:
            self._answer(request, transaction, fault.status)
            return None
        if popped.was_ours and self._concerns_us(routed, source):
            return routed
        if popped.was_ours:
            self._answer(request, transaction, 403)
        else:
            self._answer(request, transaction, 481, (warning(NO_ROUTE),))
        return None

    @staticmethod
    def _validate(request: Request) -> tuple[int, Extra] | None:
        """RFC 3261 16.3, in its order; raises ``Malformed``."""
        in_dialog = bool(request.to_tag)
        if request.uri.scheme not in {b"sip", b"tel"}:
            return 416, ()
        if hops_left(request) == 0 and (in_dialog or request.method != b"OPTIONS"):
            return 483, ()
        if b"proxy-require" in request.names:
            unsupported = b", ".join(request.values(b"proxy-require"))
            return 420, ((b"Unsupported", unsupported),)
        return None

    def _begin_call(
        self, request: Request, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        try:
            admitted = self._admission.admit(request, source)
        except Malformed as fault:
            self._answer(request, transaction, fault.status)
            return
        if isinstance(admitted, Refusal):
            self._facilities.refuse(request, transaction, admitted, admitted.trunk, 0.0)
            return
        self._facilities.notify(CallAdmitted(admitted, source))
        routed = self._to_upstream(request)
        HeldInvite(self._facilities, admitted, routed, source, transaction).start(self._stager)

    def _to_upstream(self, request: Request) -> Routed:
        """Choose the target (RFC 3261 16.5); a Route of the caller's own choice is not followed."""
        if self._upstream.rewrite:
            request = request.with_uri(with_host_of(request.uri, self._upstream.uri))
        elif request.uri.headers:  # which RFC 3261 19.1.1 forbids there, ours among them
            request = request.with_uri(request.uri_text.partition(b"?")[0])
        return Routed(request.without(b"route"), None, self._upstream.uri)

    def _concerns_us(self, routed: Routed, source: Flow) -> bool:
        """Tell whether a request of a dialog is ours to relay: a peer of ours is at one end.

        Strangers get no relay between them, nor to a peer with what could begin a call there,
        because it trusts our address.
        """
        upstream = self._facilities.locator.address(self._upstream.uri)
        if source.host == upstream or self._admission.knows(source.host):
            return True
        target = self._facilities.locator.address(routed.next_hop)
        wanted = target == upstream or self._admission.knows(target)
        return wanted and routed.request.method in OPEN_TO_STRANGERS

    def _send_ack(self, routed: Routed, branch: bytes, source: Flow, target: Flow | None) -> None:
        if target is None:
            self._drop(source, "unroutable", "the next hop of an ACK has no address")
            return
        sides = source.interface, target.interface
        copy = make_copy(routed.request, self._facilities.interfaces, sides, branch)
        self._facilities.layer.send(copy, target)

    def _answer(
        self, request: Request, transaction: Server, status: int, extra: Extra = ()
    ) -> None:
        transaction.respond(self._facilities.response(request, status, extra))

    def _drop(self, source: Flow, cause: str, detail: str) -> None:
        self._facilities.notify(MessageDropped(source, cause, detail))
