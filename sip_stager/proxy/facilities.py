"""The services that the parts of the proxy share: sending, answering, refusing, and events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_stager.events import CallAcknowledged, CallRefused, LargeRequestSent, MessageDropped
from sip_stager.model.vocabulary import RefusalCause
from sip_stager.ports import Clock, Notify
from sip_stager.proxy.interfaces import Interfaces
from sip_stager.proxy.next_hop import Locator
from sip_stager.proxy.preprocessing import preprocess
from sip_stager.proxy.refusals import refusal_warning
from sip_stager.proxy.request_forwarding import make_copy
from sip_stager.proxy.seal import Seal
from sip_stager.proxy.target_set import UpstreamTargets
from sip_stager.sip.identifiers import TAG_LENGTH, Identifiers
from sip_stager.sip.responses import REASONS, Extra, make_response, warning_field
from sip_stager.transaction.layer import TransactionLayer
from sip_stager.transaction.timers import Timers

if TYPE_CHECKING:
    from sip_stager.model.call import Call, Refusal
    from sip_stager.model.flow import Flow
    from sip_stager.model.vocabulary import DropCause
    from sip_stager.proxy.preprocessing import Popped
    from sip_stager.proxy.request_forwarding import Routed
    from sip_stager.sip.message import Request, Response
    from sip_stager.transaction.base import ClientUser
    from sip_stager.transaction.invite_client import InviteClientTransaction
    from sip_stager.transaction.non_invite_client import ClientTransaction

MAX_DATAGRAM = 1300
"""Bytes; a larger request is sent over TCP instead of UDP, if possible (RFC 3261 18.1.1)."""


@dataclass(frozen=True, slots=True)
class Facilities:
    """The services; one instance serves all requests.

    ``now`` returns seconds for measurements: the time of an event loop may move in milliseconds.
    """

    clock: Clock
    layer: TransactionLayer
    interfaces: Interfaces
    locator: Locator
    identifiers: Identifiers
    seal: Seal
    upstream: UpstreamTargets
    timers: Timers
    notify: Notify
    now: Callable[[], float]

    def make_response(self, request: Request, status: int, extra: Extra = ()) -> Response:
        """Make a response of our own; an INVITE and its CANCEL get the same To tag (9.2)."""
        return make_response(request, status, self.tag(request), extra)

    def tag(self, request: Request, *kind: bytes) -> bytes:
        """Return the To tag of our responses to a request and its CANCEL; another one per kind.

        It is a keyed digest: the ACK of a response that we have forgotten is known by it.
        """
        parts = request.call_id, b"%d" % request.cseq[0], request.top_via.branch
        return self.identifiers.answer_tag(*parts, *kind)

    def is_of_refusal(self, ack: Request) -> bool:
        """Return True for the ACK of a response of ours that we have forgotten."""
        return len(ack.to_tag) == TAG_LENGTH and ack.to_tag == self.tag(ack)

    def preprocess(self, request: Request, source: Flow) -> Popped:
        """Remove the routing that led a request here (RFC 3261 16.4); raises ``Malformed``."""
        return preprocess(request, self.interfaces, self.seal, source.interface)

    def forward_invite(
        self, routed: Routed, source: Flow, target: Flow, user: ClientUser
    ) -> InviteClientTransaction:
        """Send a copy of an INVITE, with our Record-Route (RFC 3261 16.6 step 10)."""
        branch = self.identifiers.branch(routed.routing)
        copy, flow = self._copy(routed, source, target, branch, record=bool(routed.seal))
        return self.layer.start_invite(copy, branch, flow, user)

    def forward_request(
        self, routed: Routed, source: Flow, target: Flow, user: ClientUser
    ) -> ClientTransaction:
        """Send a copy of any other request."""
        branch = self.identifiers.branch(routed.routing)
        copy, flow = self._copy(routed, source, target, branch)
        return self.layer.start_request(copy, routed.request.method, branch, flow, user)

    def forward_ack(self, routed: Routed, source: Flow, target: Flow) -> None:
        """Send a copy of the ACK of a 2xx without state (RFC 3261 16.11).

        Retransmissions get the same branch.
        """
        ack = routed.request
        self.notify(CallAcknowledged(ack))
        parts = ack.fields[ack.shape.via], ack.call_id, ack.to_tag, ack.uri_text
        branch = self.identifiers.stateless_branch(*parts, b"%d" % (ack.cseq_number or 0))
        copy, flow = self._copy(routed, source, target, branch)

        if flow is target:
            self.layer.send_ack(copy, flow)
            return

        # It goes over TCP only for its size: if that is refused, it is sent over UDP (18.1.1).
        def refused(why: str) -> None:  # noqa: ARG001  the transport's failure is logged there
            self.locator.avoid_tcp(flow)
            self.forward_ack(routed, source, target)

        self.layer.send_ack(copy, flow, refused)

    def instead_of_503(self, request: Request) -> Response:
        """Return a 500 for a 503, which would say that this proxy is out of service (16.7)."""
        return self.make_response(
            request, 500, (warning_field("the next hop is out of service: 503"),)
        )

    def refuse(
        self,
        invite: Request,
        respond: Callable[[Response], None],
        refusal: Refusal,
        trunk: str,
        elapsed: float,
        tag: bytes = b"",
        call: Call | None = None,
        own_ringing: float | None = None,
    ) -> None:
        """Refuse an INVITE and report it; the refusal's text is for the log alone.

        ``call`` is the INVITE's call, if it was admitted before, and ``own_ringing`` the seconds
        to our first 18x.
        """
        extra = [refusal_warning(refusal.cause, elapsed)]
        if refusal.retry_after is not None:
            extra.append((b"Retry-After", b"%d" % refusal.retry_after))
        reason = refusal.reason.encode("utf-8")
        tag = tag or self.tag(invite)
        respond(make_response(invite, refusal.status, tag, tuple(extra), reason))
        event = CallRefused(
            invite.call_id_text,
            trunk,
            refusal.status,
            refusal.cause,
            refusal.text,
            elapsed,
            refusal.reason,
            refusal.from_number,
            refusal.to_number,
            call,
            own_ringing,
        )
        self.notify(event)

    def report_invalid(self, invite: Request, status: int, extra: Extra) -> None:
        """Report a new INVITE that got an error response, with the words of its Warning."""
        warning = dict(extra).get(b"Warning", b"").decode("ascii", "backslashreplace")
        cause = RefusalCause.INVALID_REQUEST
        reason = REASONS.get(status, b"").decode()
        self.notify(CallRefused(invite.call_id_text, "", status, cause, warning, 0.0, reason))

    def drop(self, source: Flow, cause: DropCause, detail: str) -> None:
        """Report a message that is dropped."""
        self.notify(MessageDropped(source, cause, detail))

    def _copy(
        self, routed: Routed, source: Flow, target: Flow, branch: bytes, *, record: bool = False
    ) -> tuple[bytes, Flow]:
        """Return the copy and its flow: TCP instead of UDP if it is too large for a datagram."""
        sides = source.interface, target.interface
        copy = make_copy(routed, self.interfaces, sides, branch, record=record)
        if target.transport != "UDP" or len(copy) <= MAX_DATAGRAM:
            return copy, target
        flow = self.locator.tcp_flow(routed.next_hop, target) or target
        self.notify(LargeRequestSent(flow))
        # The copy is made again: its Via and Record-Route depend on the transport.
        sides = source.interface, flow.interface
        return make_copy(routed, self.interfaces, sides, branch, record=record), flow
