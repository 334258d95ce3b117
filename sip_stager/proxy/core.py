"""Decides what becomes of each new request (RFC 3261 16.3 to 16.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.events import CallAdmitted, CallRefused, MessageDropped
from sip_stager.ports import Refusal
from sip_stager.proxy.forwarding import CALL_ID_FIELD, hops_left, make_copy
from sip_stager.proxy.held import HeldInvite, refusing
from sip_stager.proxy.invite import ForwardedInvite
from sip_stager.proxy.relay import Relay
from sip_stager.proxy.routing import Routed, towards_next_hop, without_own_routes
from sip_stager.sip.fields import Malformed
from sip_stager.sip.responses import Extra, make_response, quoted
from sip_stager.transaction.invite_server import InviteServerTransaction

if TYPE_CHECKING:
    from sip_stager.ports import Admission, Flow, Stager
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.sip.message import Request
    from sip_stager.sip.uri import Uri
    from sip_stager.transaction.layer import Server
    from sip_stager.transaction.server import ServerTransaction

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

    def receive_request(self, request: Request, source: Flow, transaction: Server) -> None:
        """Take a request that begins a transaction."""
        try:
            in_dialog = bool(request.to_tag)
            rejection = self._validate(request, in_dialog=in_dialog)
            popped = without_own_routes(request, self._facilities.interfaces)
            routed = towards_next_hop(popped)
        except Malformed as fault:
            self._reject(request, transaction, fault.status)
            return
        if rejection is not None:
            self._reject(request, transaction, *rejection)
        elif in_dialog:
            self._relay(routed, source, transaction)
        elif isinstance(transaction, InviteServerTransaction):
            self._begin_call(popped.request, source, transaction)
        elif request.method == b"OPTIONS":
            self._reject(request, transaction, 200, (ALLOW, (b"Accept", b"application/sdp")))
        else:
            self._reject(request, transaction, 405, (ALLOW,))

    def receive_ack(self, ack: Request, source: Flow) -> None:
        """Forward the ACK of a 2xx without state (RFC 3261 16.11)."""
        try:
            routed = towards_next_hop(without_own_routes(ack, self._facilities.interfaces))
        except Malformed as fault:
            self._drop(source, "malformed", str(fault))
            return
        if not routed.was_ours or hops_left(ack) == 0 or not self._concerns_us(routed, source):
            self._drop(source, "stray_ack", NO_ROUTE)
            return
        via = ack.value(b"via") or b""
        branch = self._facilities.identifiers.stateless_branch(via, ack.call_id)

        def located(target: Flow | None) -> None:
            self._send_ack(routed, branch, source, target)

        self._facilities.locator.find(routed, located)

    def receive_cancel(
        self, cancel: Request, transaction: ServerTransaction, invite: Server | None
    ) -> None:
        """Answer a CANCEL at once, and let go what it means (RFC 3261 9.2, 16.10)."""
        if not isinstance(invite, InviteServerTransaction):
            self._reject(cancel, transaction, 481)
            return
        self._reject(cancel, transaction, 200)
        if isinstance(invite.owner, HeldInvite | ForwardedInvite):
            invite.owner.cancel(cancel)

    def _validate(self, request: Request, *, in_dialog: bool) -> tuple[int, Extra] | None:
        """RFC 3261 16.3, in its order; raises ``Malformed``."""
        scheme = request.uri_text.partition(b":")[0].lower()
        if scheme not in {b"sip", b"tel"}:
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
            self._reject(request, transaction, fault.status)
            return
        if isinstance(admitted, Refusal):
            self._refuse(request, transaction, admitted)
            return
        self._facilities.notify(CallAdmitted(admitted, source))
        HeldInvite(
            self._facilities, admitted, self._to_upstream(request), source, transaction
        ).start(self._stager)

    def _to_upstream(self, request: Request) -> Routed:
        """Choose the target (RFC 3261 16.5); a Route of the caller's own choice is not followed."""
        if self._upstream.rewrite:
            request = request.with_uri(with_host_of(request.uri, self._upstream.uri))
        elif request.uri.headers:  # which RFC 3261 19.1.1 forbids there, ours among them
            request = request.with_uri(request.uri_text.partition(b"?")[0])
        return Routed(request.without(b"route"), False, None, self._upstream.uri)

    def _relay(self, routed: Routed, source: Flow, transaction: Server) -> None:
        if CALL_ID_FIELD in routed.request.names:
            routed = routed._replace(request=routed.request.without(CALL_ID_FIELD))
        if not routed.was_ours:
            warning = (b"Warning", b"399 sip-stager " + quoted(NO_ROUTE))
            self._reject(routed.request, transaction, 481, (warning,))
        elif not self._concerns_us(routed, source):
            self._reject(routed.request, transaction, 403)
        elif isinstance(transaction, InviteServerTransaction):
            transaction.respond(make_response(routed.request, 100))
            ForwardedInvite(self._facilities, routed, source, transaction).start()
        else:
            Relay(self._facilities, routed, source, transaction).start()

    def _concerns_us(self, routed: Routed, source: Flow) -> bool:
        """Tell whether a request of a dialog comes from or, short of a new offer, goes to a peer.

        Strangers get no relay between them, and none that could begin a call with a peer of ours
        who trusts our address; a far end that is no peer can still end or acknowledge its call.
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
        copy = make_copy(
            routed.request, self._facilities.interfaces, source.interface, target.interface, branch
        )
        self._facilities.layer.send(copy, target)

    def _refuse(
        self, request: Request, transaction: InviteServerTransaction, refusal: Refusal
    ) -> None:
        transaction.respond(refusing(request, refusal, self._facilities.identifiers.tag()))
        sip_call_id = request.call_id.decode("ascii", "backslashreplace")
        self._facilities.notify(
            CallRefused(
                sip_call_id, refusal.trunk, refusal.status, refusal.cause, refusal.text, 0.0
            )
        )

    def _reject(
        self, request: Request, transaction: Server, status: int, extra: Extra = ()
    ) -> None:
        tag = self._facilities.identifiers.tag()
        transaction.respond(make_response(request, status, tag, extra))

    def _drop(self, source: Flow, cause: str, detail: str) -> None:
        self._facilities.notify(MessageDropped(source, cause, detail))


def with_host_of(dialled: Uri, upstream: Uri) -> bytes:
    """Make the Request-URI that asks the upstream for the dialled user."""
    scheme, _, rest = upstream.text.partition(b":")
    host_part = rest.rpartition(b"@")[2]
    user = dialled.user + b"@" if dialled.user else b""
    return scheme + b":" + user + host_part
