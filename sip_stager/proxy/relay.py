"""A request of a dialog that is not an INVITE, until it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_stager.ports import Flow
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.proxy.routing import Routed
    from sip_stager.sip.message import Response
    from sip_stager.transaction.server import ServerTransaction


class Relay:
    """Joins the server transaction of a request to the client transaction of its copy."""

    __slots__ = ("_facilities", "_routed", "_server", "_source")

    def __init__(
        self, facilities: Facilities, routed: Routed, source: Flow, server: ServerTransaction
    ) -> None:
        self._facilities = facilities
        self._routed = routed
        self._source = source
        self._server = server

    def start(self) -> None:
        """Find the next hop and send the copy."""
        self._facilities.locator.find(self._routed, self._located)

    def receive(self, response: Response) -> None:
        """Pass the final response back; provisional ones go no further (RFC 4320 4.1)."""
        self._server.respond(response.without_first(b"via"))

    def timed_out(self) -> None:
        """Stay silent: a 408 would come too late to be of use (RFC 4320 4.2)."""
        self._server.abandon()

    def send_failed(self, why: str) -> None:  # noqa: ARG002  the transport's failure is logged there
        """Answer as if the next hop had said 503 (RFC 3261 16.9)."""
        self._answer_503()

    def _located(self, target: Flow | None) -> None:
        if target is None:
            self._answer_503()
        else:
            self._facilities.forward(self._routed.request, self._source, target, self)

    def _answer_503(self) -> None:
        self._server.respond(self._facilities.response(self._routed.request, 503))
