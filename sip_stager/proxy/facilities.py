"""What the parts of the proxy share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_stager.events import CallRefused, LargeRequestSent, MessageDropped
from sip_stager.proxy.forwarding import make_copy
from sip_stager.proxy.routing import preprocessed
from sip_stager.proxy.told import told
from sip_stager.sip.privacy import strip_identity
from sip_stager.sip.responses import Extra, make_response, warning_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.call import Refusal
    from sip_stager.model.flow import Flow
    from sip_stager.model.vocabulary import DropCause
    from sip_stager.ports import Clock, Notify
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.proxy.location import Locator
    from sip_stager.proxy.routing import Popped, Routed
    from sip_stager.proxy.seal import Seal
    from sip_stager.proxy.targets import Upstream
    from sip_stager.sip.identifiers import Identifiers
    from sip_stager.sip.message import Request, Response
    from sip_stager.transaction.base import ClientUser
    from sip_stager.transaction.client import ClientTransaction
    from sip_stager.transaction.invite_client import InviteClientTransaction
    from sip_stager.transaction.layer import TransactionLayer
    from sip_stager.transaction.timers import Timers

MOST_DATAGRAM = 1300
"""Bytes of a request that goes over UDP where TCP would do as well (RFC 3261 18.1.1)."""


@dataclass(frozen=True, slots=True)
class Facilities:
    """One of these serves all requests.

    ``now`` gives seconds for what is measured; an event loop's own time may move in milliseconds.
    """

    clock: Clock
    layer: TransactionLayer
    interfaces: Interfaces
    locator: Locator
    identifiers: Identifiers
    seal: Seal
    upstream: Upstream
    timers: Timers
    notify: Notify
    now: Callable[[], float]

    def response(self, request: Request, status: int, extra: Extra = ()) -> Response:
        """Make a response of our own; an INVITE and its CANCEL get one To tag (RFC 3261 9.2)."""
        return make_response(request, status, self.tag(request), extra)

    def tag(self, request: Request, *of_what: bytes) -> bytes:
        """Make the To tag of all our answers to a request and to its CANCEL, or of another kind."""
        parts = request.call_id, b"%d" % request.cseq[0], request.top_via.branch
        return self.identifiers.answer_tag(*parts, *of_what)

    def preprocessed(self, request: Request, source: Flow) -> Popped:
        """Undo what only brought a request here (RFC 3261 16.4); raises ``Malformed``."""
        return preprocessed(request, self.interfaces, self.seal, source.interface)

    def forward_invite(
        self, routed: Routed, source: Flow, target: Flow, user: ClientUser
    ) -> InviteClientTransaction:
        """Send a copy of an INVITE, with us in its route (RFC 3261 16.6 step 10)."""
        branch = self.identifiers.branch(routed.routing)
        copy, flow = self._copy(routed, source, target, branch, routed.seal)
        return self.layer.start_invite(copy, branch, flow, user)

    def forward(
        self, routed: Routed, source: Flow, target: Flow, user: ClientUser
    ) -> ClientTransaction:
        """Send a copy of any other request."""
        branch = self.identifiers.branch(routed.routing)
        copy, flow = self._copy(routed, source, target, branch)
        return self.layer.start_request(copy, branch, flow, user)

    def forward_ack(self, routed: Routed, source: Flow, target: Flow) -> None:
        """Send a copy of the ACK of a 2xx without state (RFC 3261 16.11).

        Equal ones get one branch.  What TCP refuses for its size leaves over UDP.
        """
        ack = routed.request
        parts = ack.call_id, ack.to_tag, b"%d" % ack.cseq[0], ack.uri_text
        branch = self.identifiers.stateless_branch(ack.value(b"via") or b"", *parts)
        copy, flow = self._copy(routed, source, target, branch)

        def refused(why: str) -> None:  # noqa: ARG001  the transport's failure is logged there
            self.locator.avoid(flow)
            self.forward_ack(routed, source, target)

        self.layer.send_ack(copy, flow, None if flow is target else refused)

    def passed_back(
        self, response: Response, branch: bytes, *, anonymous: bool = False
    ) -> Response | None:
        """Take our Via off a response; None where the next one is not the requester's (16.7).

        With ``anonymous`` the callee's identity fields are stripped as well (RFC 3325 7).
        """
        passed = response.without_first(b"via")
        passed = strip_identity(passed) if anonymous else passed
        if branch in (passed.value(b"via") or b""):
            return passed if b"via" in passed.names else None
        return None

    def without_503(self, response: Response, request: Request, *, pass_503: bool) -> Response:
        """Give a 500 for a 503: a whole proxy is not out of service for it (16.7 step 6)."""
        if response.status != 503 or pass_503:
            return response
        return self.response(request, 500, (warning_field("the next hop is out of service: 503"),))

    def refuse(
        self,
        invite: Request,
        respond: Callable[[Response], None],
        refusal: Refusal,
        trunk: str,
        elapsed: float,
        tag: bytes = b"",
    ) -> None:
        """Answer an INVITE with a refusal, and tell; its text is for the log alone."""
        extra = [told(refusal.cause, elapsed)]
        if refusal.retry_after is not None:
            extra.append((b"Retry-After", b"%d" % refusal.retry_after))
        reason = refusal.reason.encode("utf-8")
        tag = tag or self.tag(invite)
        respond(make_response(invite, refusal.status, tag, tuple(extra), reason))
        status, cause, text = refusal.status, refusal.cause, refusal.text
        self.notify(CallRefused(invite.call_id_text, trunk, status, cause, text, elapsed))

    def drop(self, source: Flow, cause: DropCause, detail: str) -> None:
        """Tell of a message that goes nowhere."""
        self.notify(MessageDropped(source, cause, detail))

    def _copy(
        self, routed: Routed, source: Flow, target: Flow, branch: bytes, seal: bytes = b""
    ) -> tuple[Request, Flow]:
        """Make the copy, for TCP where it is too large for a datagram and TCP may do."""
        sides = source.interface, target.interface
        copy = make_copy(routed.request, self.interfaces, sides, branch, seal)
        if target.transport != "UDP" or len(bytes(copy)) <= MOST_DATAGRAM:
            return copy, target
        flow = self.locator.over_tcp(routed.next_hop, target) or target
        self.notify(LargeRequestSent(flow))
        sides = source.interface, flow.interface
        return make_copy(routed.request, self.interfaces, sides, branch, seal), flow
