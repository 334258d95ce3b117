"""What the parts of the proxy share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_stager.proxy.forwarding import make_copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Clock, Flow, Notify
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.proxy.location import Locator
    from sip_stager.sip.identifiers import Identifiers
    from sip_stager.sip.message import Request
    from sip_stager.transaction.base import ClientUser
    from sip_stager.transaction.layer import Client, TransactionLayer
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

    def forward(
        self, request: Request, source: Flow, target: Flow, user: ClientUser, *, record: bool
    ) -> Client:
        """Send a copy of a routed request in a client transaction (RFC 3261 16.6 step 10)."""
        branch = self.identifiers.branch()
        copy = make_copy(
            request, self.interfaces, source.interface, target.interface, branch, record=record
        )
        return self.layer.start(copy, branch, target, user)
