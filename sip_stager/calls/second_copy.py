"""An INVITE that came by a second path while its first copy is in progress (RFC 3261 8.2.2.2).

There are two reasons for a second copy, and only the next moment tells them apart:

- A proxy before us forks: both copies stay, and the second is rejected as merged (482).
- A proxy before us gives up on the first and tries again: it sends the second INVITE, and the
  CANCEL of the first right behind it.  Then the second is a new call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.proxy.answer_on_error import answer_on_error
from sip_stager.sip.responses import make_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Clock
    from sip_stager.proxy.responder import Responder
    from sip_stager.sip.message import Request
    from sip_stager.transaction.invite_server import InviteServerTransaction

COPY_TIMEOUT = 0.1
"""Seconds to wait for the CANCEL of the first copy; a 100 would be due after 0.2 (17.2.1)."""


class SecondCopy:
    """Waits a moment for a CANCEL of the first copy, and then calls ``decide``."""

    __slots__ = ("_decide", "_request", "_responder", "_server", "_source", "_timer")

    def __init__(
        self,
        responder: Responder,
        clock: Clock,
        request: Request,
        source: Flow,
        server: InviteServerTransaction,
        decide: Callable[[], None],
    ) -> None:
        self._responder = responder
        self._request = request
        self._source = source
        self._server = server
        self._decide = decide
        self._timer = clock.call_later(COPY_TIMEOUT, self._decide_now)
        server.owner = self

    @property
    def origin(self) -> tuple[bytes, str]:
        """The From tag of the INVITE, and the host that it came from."""
        return self._request.from_tag, self._source.host

    def cancel(self, _cancel: Request) -> None:
        """End it with 487: the caller cancelled this copy, too."""
        self._end(487)

    def stop(self) -> None:
        """End it with 503, because the program stops."""
        self._end(503)

    def respond_internal_error(self) -> None:
        """End it with 500, because our own code raised."""
        self._end(500)

    def _end(self, status: int) -> None:
        self._timer.cancel()
        tag = self._responder.tag(self._request)
        self._server.respond(make_response(self._request, status, tag))

    @answer_on_error
    def _decide_now(self) -> None:
        if self._server.owner is self:  # else the transaction has ended meanwhile
            self._server.owner = None
            self._decide()
