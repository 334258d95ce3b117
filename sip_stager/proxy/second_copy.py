"""An INVITE that came by a second way while its first copy is under way (RFC 3261 8.2.2.2).

A proxy that forks asks twice at the same time.  One that gives up and tries again sends the second
INVITE first, and the CANCEL of the first right behind it.  Which it is shows within a moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.proxy.mistakes import answered
from sip_stager.sip.responses import make_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.proxy.facilities import Facilities
    from sip_stager.sip.message import Request
    from sip_stager.transaction.invite_server import InviteServerTransaction

PATIENCE = 0.1
"""Seconds; below the 0.2 after which a 100 would be due (RFC 3261 17.2.1)."""


class SecondCopy:
    """Waits for what becomes of the first, and then has it decided."""

    __slots__ = ("_decide", "_facilities", "_request", "_server", "_timer")

    def __init__(
        self,
        facilities: Facilities,
        request: Request,
        server: InviteServerTransaction,
        decide: Callable[[], None],
    ) -> None:
        self._facilities = facilities
        self._request = request
        self._server = server
        self._decide = decide
        self._timer = facilities.clock.call_later(PATIENCE, self._waited)
        server.owner = self

    def cancel(self, _cancel: Request) -> None:
        """End it: its caller gave it up, too."""
        self._end(487)

    def stop(self) -> None:
        """End it, because the program ends."""
        self._end(503)

    def break_off(self) -> None:
        """End what a mistake of ours has left without an end."""
        self._end(500)

    def _end(self, status: int) -> None:
        self._timer.cancel()
        tag = self._facilities.tag(self._request)
        self._server.respond(make_response(self._request, status, tag))

    @answered
    def _waited(self) -> None:
        if self._server.owner is self:  # else its transaction has ended meanwhile
            self._server.owner = None
            self._decide()
