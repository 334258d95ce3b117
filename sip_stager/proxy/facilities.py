"""What the parts of the proxy share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_stager.events import CallRefused
from sip_stager.proxy.forwarding import make_copy
from sip_stager.sip.responses import Extra, make_response, warning

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Clock, Flow, Notify, Refusal
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.proxy.location import Locator
    from sip_stager.sip.identifiers import Identifiers
    from sip_stager.sip.message import Request, Response
    from sip_stager.transaction.base import ClientUser
    from sip_stager.transaction.invite_client import InviteClientTransaction
    from sip_stager.transaction.invite_server import InviteServerTransaction
    from sip_stager.transaction.layer import TransactionLayer
    from sip_stager.transaction.timers import Timers


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
    timers: Timers
    notify: Notify
    now: Callable[[], float]

    def response(self, request: Request, status: int, extra: Extra = ()) -> Response:
        """Make a response of our own, with a To tag of its own where there is none."""
        return make_response(request, status, self.identifiers.tag(), extra)

    def forward_invite(
        self, invite: Request, source: Flow, target: Flow, user: ClientUser
    ) -> InviteClientTransaction:
        """Send a copy of a routed INVITE, with us in its route (RFC 3261 16.6 step 10)."""
        branch = self.identifiers.branch()
        sides = source.interface, target.interface
        copy = make_copy(invite, self.interfaces, sides, branch, record=True)
        return self.layer.start_invite(copy, branch, target, user)

    def forward(self, request: Request, source: Flow, target: Flow, user: ClientUser) -> None:
        """Send a copy of any other routed request."""
        branch = self.identifiers.branch()
        sides = source.interface, target.interface
        copy = make_copy(request, self.interfaces, sides, branch)
        self.layer.start(copy, branch, target, user)

    def refuse(
        self,
        invite: Request,
        transaction: InviteServerTransaction,
        refusal: Refusal,
        trunk: str,
        elapsed: float,
    ) -> None:
        """Answer an INVITE with a refusal, and tell; its text goes into a Warning (20.43)."""
        extra = [warning(f"{refusal.cause}: {refusal.text}")]
        if refusal.retry_after is not None:
            extra.append((b"Retry-After", b"%d" % refusal.retry_after))
        reason, tag = refusal.reason.encode("utf-8"), self.identifiers.tag()
        transaction.respond(make_response(invite, refusal.status, tag, tuple(extra), reason))
        sip_call_id = invite.call_id.decode("ascii", "backslashreplace")
        status, cause, text = refusal.status, refusal.cause, refusal.text
        self.notify(CallRefused(sip_call_id, trunk, status, cause, text, elapsed))
