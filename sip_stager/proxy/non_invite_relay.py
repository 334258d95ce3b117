"""A request of a dialog other than INVITE, until it is answered.

::

    LOCATING -----> TRYING ------ final response, timer F ------> OVER
        |           |    ^                                          ^
        |           +----+ TCP was refused: over UDP                |
        |           |    ^                                          |
        |           +----+ refused or silent: to the next address   |
        +---- no address ---+---- it cannot be sent: 500 -----------+

It cannot be cancelled (RFC 3261 9.1), and timer F of its client transaction limits it (17.1.2).
After a 500 because our own code raised, a response or timer F can still come: it is too late.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from sip_stager.events import CallHungUp
from sip_stager.proxy.answer_on_error import answer_on_error
from sip_stager.proxy.response_forwarding import pop_via, restore_from
from sip_stager.sip.responses import warning_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Cancellable, Notify
    from sip_stager.proxy.request_forwarding import Routed
    from sip_stager.proxy.responder import Responder
    from sip_stager.proxy.sender import Sender
    from sip_stager.sip.message import Response
    from sip_stager.transaction.non_invite_client import ClientTransaction
    from sip_stager.transaction.non_invite_server import ServerTransaction


class RelayState(Enum):
    """The states of a relay."""

    LOCATING = auto()
    TRYING = auto()
    OVER = auto()


class Relay:
    """Joins the server transaction of a request to the client transaction of its copy.

    If the next hop is a name with several addresses, they are tried one after another: the next at
    once if one cannot be reached, and after some seconds if it is silent (RFC 3263 4.3).
    """

    __slots__ = (
        "_client", "_further", "_notify", "_responder", "_routed", "_sender", "_server", "_source",
        "_state", "_target", "_timer",
    )  # fmt: skip

    def __init__(
        self,
        sender: Sender,
        responder: Responder,
        notify: Notify,
        routed: Routed,
        source: Flow,
        server: ServerTransaction,
    ) -> None:
        self._sender = sender
        self._responder = responder
        self._notify = notify
        self._routed = routed
        self._source = source
        self._server = server
        self._target: Flow | None = None
        self._client: ClientTransaction | None = None
        self._state = RelayState.LOCATING
        self._further: Sequence[Flow] = ()
        self._timer: Cancellable | None = None  # only while there are further addresses

    def forward_request(self) -> None:
        """Find the next hop and send the copy."""
        self._sender.locator.find(self._routed, self._source, self._located)

    @answer_on_error
    def receive_response(self, response: Response) -> None:
        """Pass the final response back; provisional ones are not passed (RFC 4320 4.1)."""
        routed, status = self._routed, response.status
        if self._timer is not None:  # any response shows that this address is well
            self._stop_timer()
        if status < 200 or self._state is RelayState.OVER:
            return
        branch = routed.request.top_via.branch
        if routed.hides_from:
            response = restore_from(response, routed.hidden_from)
        passed = pop_via(response, branch, anonymous=routed.to_anonymous)
        if passed is None:  # it has no Via of the requester, who must not wait for ever
            self._respond(self._responder.make_response(routed.request, 500))
        elif status == 503:
            self._respond(self._responder.instead_of_503(routed.request))
        else:
            self._enter(RelayState.OVER)
            self._server.send_response(status, passed)
            if routed.request.method == b"BYE":
                self._notify(CallHungUp(routed.request, routed.seal, response))

    @answer_on_error
    def timed_out(self) -> None:
        """End without a response: a 408 would come too late to be of use (RFC 4320 4.2)."""
        if self._state is not RelayState.OVER:
            self._enter(RelayState.OVER)
            self._server.terminate()
            self._report_hang_up(None)

    @answer_on_error
    def send_failed(self, why: str) -> None:  # noqa: ARG002  the transport's failure is logged there
        """Send it over UDP if the target refused TCP, else to the next address, or answer 500."""
        client, target = self._client, self._target
        if client and target and client.flow.transport != target.transport:
            # It went over TCP only for its size: retry over UDP (RFC 3261 18.1.1).
            self._sender.locator.avoid_tcp(client.flow)
            self._send(target)
        elif self._further:
            self._try_next()
        else:
            self._fail()  # RFC 3261 16.9

    def respond_internal_error(self) -> None:
        """Answer 500, because our own code raised."""
        self._respond(self._responder.make_response(self._routed.request, 500))

    @answer_on_error
    def _located(self, target: Flow | None, further: Sequence[Flow]) -> None:
        if target is None:
            self._fail()
            return
        self._enter(RelayState.TRYING)
        if further:
            self._further = further
            self._start_timer()
        self._send(target)

    def _send(self, target: Flow) -> None:
        self._target = target
        self._client = self._sender.forward_request(self._routed, self._source, target, self)

    @answer_on_error
    def _failover_timer_fired(self) -> None:
        """End the wait for a silent address: no request has two transactions that answer it."""
        if self._client is not None:
            self._client.terminate()
        self._try_next()

    def _try_next(self) -> None:
        if self._target is not None:
            self._sender.locator.try_last(self._target)
        target, self._further = self._further[0], self._further[1:]
        self._stop_timer()
        if self._further:
            self._start_timer()
        self._send(target)

    def _start_timer(self) -> None:
        sender, fired = self._sender, self._failover_timer_fired
        self._timer = sender.clock.call_later(sender.failover_timeout, fired)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail(self) -> None:
        """Answer 500; a 503 would say that we are out of service as a whole (16.7 step 6)."""
        extra = (warning_field("the next hop cannot be reached"),)
        self._respond(self._responder.make_response(self._routed.request, 500, extra))

    def _respond(self, response: Response) -> None:
        if self._state is not RelayState.OVER:
            self._enter(RelayState.OVER)
            self._server.respond(response)
            self._report_hang_up(response)

    def _enter(self, state: RelayState) -> None:
        self._state = state
        if self._timer is not None:
            self._stop_timer()

    def _report_hang_up(self, response: Response | None) -> None:
        """Report the end of a BYE: with any final response, or without one, the dialog is over."""
        routed = self._routed
        if routed.request.method == b"BYE" and (response is None or response.status >= 200):
            self._notify(CallHungUp(routed.request, routed.seal, response))
