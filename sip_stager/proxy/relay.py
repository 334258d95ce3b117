"""A request of a dialog that is not an INVITE, until it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.proxy.mistakes import answered
from sip_stager.sip.responses import warning_field

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.proxy.routing import Routed
    from sip_stager.sip.message import Response
    from sip_stager.transaction.client import ClientTransaction
    from sip_stager.transaction.server import ServerTransaction


class Relay:
    """Joins the server transaction of a request to the client transaction of its copy."""

    __slots__ = ("_client", "_facilities", "_routed", "_server", "_source", "_target")

    def __init__(
        self, facilities: Facilities, routed: Routed, source: Flow, server: ServerTransaction
    ) -> None:
        self._facilities = facilities
        self._routed = routed
        self._source = source
        self._server = server
        self._target: Flow | None = None
        self._client: ClientTransaction | None = None

    def start(self) -> None:
        """Find the next hop and send the copy."""
        self._facilities.locator.find(self._routed, self._located)

    @answered
    def receive_response(self, response: Response) -> None:
        """Pass the final response back; provisional ones go no further (RFC 4320 4.1)."""
        request, anonymous = self._routed.request, self._routed.to_anonymous
        branch = request.top_via.branch
        if passed := self._facilities.passed_back(response, branch, anonymous=anonymous):
            passed = self._facilities.without_503(passed, request, pass_503=False)
            self._server.respond(passed)
        elif response.status >= 200:
            self._server.respond(self._facilities.response(request, 500))

    @answered
    def timed_out(self) -> None:
        """Stay silent: a 408 would come too late to be of use (RFC 4320 4.2)."""
        self._server.terminate()

    @answered
    def send_failed(self, why: str) -> None:  # noqa: ARG002  the transport's failure is logged there
        """Say that it did not leave (RFC 3261 16.9); where TCP was refused, it leaves over UDP."""
        client, target = self._client, self._target
        if client is None or target is None or client.flow.transport == target.transport:
            self._fail()
        else:
            self._facilities.locator.avoid(client.flow)
            self._located(target)

    def break_off(self) -> None:
        """Answer 500 where a mistake of ours would leave it unanswered."""
        self._server.respond(self._facilities.response(self._routed.request, 500))

    @answered
    def _located(self, target: Flow | None) -> None:
        self._target = target
        if target is None:
            self._fail()
        else:
            facilities = self._facilities
            self._client = facilities.forward(self._routed, self._source, target, self)

    def _fail(self) -> None:
        """Answer 500, for 503 would say that nothing at all can go on (RFC 3261 16.7 step 6)."""
        extra = (warning_field("the next hop can not be reached"),)
        self._server.respond(self._facilities.response(self._routed.request, 500, extra))
