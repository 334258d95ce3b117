"""The server transaction of all methods but INVITE (RFC 3261 17.2.2, RFC 4320).

::

      request
         |
      Trying -------------------- final ---> Completed --- timer J ---> Terminated
         |                          ^        (a retransmission: the response again)
      no answer when a client's     |
      timer E is T2: 100            |
         v                          |
      Proceeding -------------------+
      (a retransmission: 100 again)

RFC 4320 changes RFC 3261 here, since a client stops waiting after 64*T1 (timer F) in any case:

- A 100 is sent late, when the client retransmits every T2 anyway: an earlier one would slow the
  retransmissions, which recover a final response that was lost.
- A 408 is never sent: it would arrive after the client's own timeout.
- No other provisional response is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.responses import make_response
from sip_stager.transaction.answering_server import AnsweringServer
from sip_stager.transaction.base import Context, Store, TransactionState
from sip_stager.transaction.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request, Response


class ServerTransaction(AnsweringServer):
    """The server transaction of all methods but INVITE; it absorbs retransmissions."""

    __slots__ = ("_last", "_request", "method")

    def __init__(
        self,
        context: Context,
        store: Store,
        key: Hashable,
        flow: Flow,
        size: int,
        request: Request,
    ) -> None:
        super().__init__(context, store, key, flow, TransactionState.TRYING, size)
        self._last: bytes | None = None
        self._request: Request | None = request
        self.method = request.method
        self.cseq_number = request.cseq_number
        self._context.clock.start_timer(self, Timer.PROCEED, context.timers.e_reaches_t2)

    def receive_retransmission(self, request: Request, source: Flow) -> None:
        """Send the last response again, if there is one, to where the retransmission came from."""
        self.follow(request, source)
        if self._last is not None:
            status = int(self._last[8:11])
            self._context.send_response(
                self._last, self.method, status, self.flow, retransmission=True
            )

    def respond(self, response: Response) -> None:
        """Send a response of our own (``send_response``)."""
        self.send_response(response.status, bytes(response))

    def respond_statelessly(self, response: Response) -> None:
        """Send a final response and forget the request (RFC 3261 8.2.7)."""
        assert self.state is TransactionState.TRYING
        self._context.send_response(bytes(response), self.method, response.status, self.flow)
        self.terminate()

    def send_response(self, status: int, response: bytes) -> None:
        """Send the final response, unless RFC 4320 forbids it: 101 to 199, and 408.

        Another final response is dropped: what answers a request because our own code raised
        cannot know whether it was answered before.
        """
        if status < 200 or not (
            self.state is TransactionState.TRYING or self.state is TransactionState.PROCEEDING
        ):
            return
        self._enter(TransactionState.COMPLETED)
        # Timer J, 64*T1 over UDP: the client retransmits until its timer F at the latest.
        self._context.clock.start_timer(
            self, Timer.J, 0.0 if self.reliable else self._context.timers.j
        )
        self._request = None
        if status == 408:
            self._last = None
        else:
            self._last = response
            self.charge(len(response))
            self._context.send_response(response, self.method, status, self.flow)

    def terminate(self) -> None:
        """End the transaction in any state."""
        super().terminate()
        self._last = self._request = None

    def fire(self, timer: Timer) -> None:
        """Act on a timer of the present state (``timers.Timed``)."""
        if timer is Timer.J:
            self.terminate()
        else:
            self._proceed()

    def _proceed(self) -> None:
        """Send 100, so that the client retransmits less often from now on (RFC 4320 4.1)."""
        request, self._request = self._request, None
        if request is not None:
            self._enter(TransactionState.PROCEEDING)
            self._last = trying = bytes(make_response(request, 100))
            self._context.send_response(trying, self.method, 100, self.flow)
