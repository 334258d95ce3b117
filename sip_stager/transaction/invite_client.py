"""The INVITE client transaction (RFC 3261 17.1.1, RFC 6026 7.2).

::

    timer A resends  Calling ---- timer B, or it could not be sent ----> Terminated
                        |
                       1xx
                        v
                    Proceeding --- 2xx ---> Accepted ----- timer M ----> Terminated
                        |                  (every 2xx goes to the user)
                     3xx-6xx: ACK
                        v
                    Completed ---- timer D (each retransmission: ACK) -> Terminated

Accepted is of RFC 6026: without it, a 2xx that is retransmitted, or that comes from another fork
behind the peer, would match no transaction and its call would be lost.

Proceeding has no timer of its own: a callee may ring for minutes.  The proxy's timer C ends it
(RFC 3261 16.8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.parser import parse_request
from sip_stager.transaction.base import ClientKey, ClientUser, Context, Store, TransactionState
from sip_stager.transaction.hop_by_hop import make_ack
from sip_stager.transaction.retransmitting_client import RetransmittingClient
from sip_stager.transaction.timers import Timer

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Response


class InviteClientTransaction(RetransmittingClient):
    """The client transaction of an INVITE; it acknowledges all final responses but 2xx."""

    __slots__ = ("_ack",)

    RESEND = Timer.A
    TIMEOUT = Timer.B

    def __init__(
        self,
        context: Context,
        store: Store,
        key: ClientKey,
        flow: Flow,
        request: bytes,
        user: ClientUser,
    ) -> None:
        self._ack: bytes | None = None
        super().__init__(context, store, key, flow, TransactionState.CALLING, request, user)

    def receive_response(self, response: Response) -> None:
        """Handle a response."""
        if self.state is TransactionState.COMPLETED:
            self._acknowledge_again(response)
        elif response.status < 200:
            self._provisional(response)
        elif response.status < 300:
            self._accept(response)
        elif self._user is not None and self.request is not None:
            self._complete(response, self._user, self.request)
        # Else it follows a 2xx, by which the caller has begun to talk (RFC 6026 7.2: dropped).

    def start_cancel_timer(self) -> None:
        """Limit the wait for the final response of a cancelled INVITE to 64*T1 (RFC 3261 9.1).

        A peer of RFC 2543 may never send the 487.
        """
        assert self.state is TransactionState.PROCEEDING  # no CANCEL before a 1xx (9.1)
        self._context.clock.start_timer(self, Timer.CANCELLED, self._context.timers.b)

    def fire(self, timer: Timer) -> None:
        """Act on a timer of the present state (``timers.Timed``)."""
        if timer is Timer.M or timer is Timer.D:
            self.terminate()
        elif timer is Timer.A:
            self._resend()
        else:
            self._timed_out()  # B, or the end of a cancelled INVITE

    def _provisional(self, response: Response) -> None:
        if self.state is TransactionState.CALLING:
            self._enter(TransactionState.PROCEEDING)
        if self.state is TransactionState.PROCEEDING and self._user is not None:
            self._user.receive_response(response)

    def _accept(self, response: Response) -> None:
        if self.state is not TransactionState.ACCEPTED:
            self._enter(TransactionState.ACCEPTED)
            self.request = None
            self._context.clock.start_timer(
                self, Timer.M, self._context.timers.m
            )  # more 2xx may come
        if self._user is not None:
            self._user.receive_response(response)

    def _complete(self, response: Response, user: ClientUser, request: bytes) -> None:
        self._ack = ack = bytes(make_ack(parse_request(request), response))
        self._user = self.request = None
        self._enter(TransactionState.COMPLETED)
        # Timer D, 32 s or more over UDP: the peer retransmits its response until it has the ACK,
        # by its own T1, which is not known here (17.1.1.2).  TCP loses no ACK.
        self._context.clock.start_timer(
            self, Timer.D, 0.0 if self.reliable else self._context.timers.d
        )
        self.charge(len(ack))
        self._context.send_request(ack, b"ACK", self.flow)
        user.receive_response(response)

    def _acknowledge_again(self, response: Response) -> None:
        """Send the ACK again: the response was retransmitted, so the first one got lost."""
        if self._ack is not None and response.status >= 300:
            self._context.send_request(self._ack, b"ACK", self.flow, retransmission=True)
