"""The sending of requests: the copies of what we forward, and our own CANCEL."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sip_stager.events import CallAcknowledged, LargeRequestSent
from sip_stager.ports import Clock, Notify
from sip_stager.proxy.interfaces import Interfaces
from sip_stager.proxy.next_hop import Locator
from sip_stager.proxy.request_forwarding import make_copy
from sip_stager.sip.identifiers import Identifiers
from sip_stager.sip.parser import parse_request
from sip_stager.transaction.hop_by_hop import make_cancel
from sip_stager.transaction.layer import TransactionLayer

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.proxy.request_forwarding import Routed
    from sip_stager.transaction.base import ClientUser
    from sip_stager.transaction.invite_client import InviteClientTransaction
    from sip_stager.transaction.non_invite_client import ClientTransaction

MAX_DATAGRAM = 1300
"""Bytes; a larger request is sent over TCP instead of UDP, if possible (RFC 3261 18.1.1)."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends requests in client transactions, and the ACK of a 2xx without one.

    ``clock`` and ``timer_c`` (in seconds) limit the branches of an INVITE (RFC 3261 16.8), and
    ``timer_m`` the wait for another 2xx (RFC 6026 7.2).  Any other request goes to the next address
    of a name after ``failover_timeout`` seconds of silence.
    """

    layer: TransactionLayer
    interfaces: Interfaces
    locator: Locator
    identifiers: Identifiers
    clock: Clock
    timer_c: float
    timer_m: float
    notify: Notify
    failover_timeout: float = 2.0

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
        else:
            refused = partial(self._forward_refused_ack, routed, source, target, flow)
            self.layer.send_ack(copy, flow, refused)

    def _forward_refused_ack(
        self, routed: Routed, source: Flow, target: Flow, refused: Flow, _why: str
    ) -> None:
        """Send an ACK over UDP: it went over TCP only for its size (RFC 3261 18.1.1)."""
        self.locator.avoid_tcp(refused)
        self.forward_ack(routed, source, target)

    def send_cancel(self, invite: InviteClientTransaction, reasons: list[bytes]) -> None:
        """Send a CANCEL with these Reason fields after an INVITE that was answered by a 1xx.

        It takes the way of the INVITE (RFC 3261 9.1).
        """
        if invite.request is None:  # the final response has come
            return
        invite.start_cancel_timer()
        cancel = make_cancel(parse_request(invite.request), reasons)
        self.layer.start_request(bytes(cancel), b"CANCEL", cancel.branch, invite.flow)

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
