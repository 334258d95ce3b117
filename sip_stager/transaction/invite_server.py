"""The INVITE server transaction (RFC 3261 17.2.1, RFC 6026 7.1).

::

                      INVITE
                        |
                   Proceeding --- 2xx ---> Accepted ----- timer L ----> Terminated
                        |                  (2xx again and again; ACKs go to the user)
                     3xx-6xx
                        v
      timer G resends  Completed -- ACK -> Confirmed ---- timer I ----> Terminated
                        |
                        +----- timer H: no ACK came --------------------> Terminated

Accepted is of RFC 6026: it absorbs retransmitted INVITEs, which would begin a second call, while
the callee's 2xx pass.  Confirmed absorbs retransmitted ACKs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sip_stager.sip.parser import parse_response
from sip_stager.transaction.answering_server import AnsweringServer
from sip_stager.transaction.base import Context, Store, TransactionState
from sip_stager.transaction.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request, Response


class InviteOwner(Protocol):
    """The work on an INVITE until its final response."""

    @property
    def origin(self) -> tuple[bytes, str]:
        """The From tag of the INVITE, and the host that it came from."""

    def cancel(self, cancel: Request, /) -> None:
        """End the work because the caller sent a CANCEL (RFC 3261 9.2)."""

    def stop(self) -> None:
        """End the work because the program ends; the caller gets a final response."""


class InviteServerTransaction(AnsweringServer):
    """The transaction that absorbs an INVITE's retransmissions and awaits the ACK.

    ``owner`` works on the INVITE; it is released with the final response.
    """

    __slots__ = ("_ack", "_interval", "_last", "_registered", "owner")

    def __init__(
        self,
        context: Context,
        store: Store,
        key: Hashable,
        flow: Flow,
        size: int,
        ack: Callable[[Request, Flow], None],
        cseq_number: int | None,
    ) -> None:
        super().__init__(context, store, key, flow, TransactionState.PROCEEDING, size)
        self.cseq_number = cseq_number
        self._ack = ack
        self._last: bytes | None = None
        self._interval = context.timers.t1
        self._registered: tuple[Store, Hashable] | None = None
        self.owner: InviteOwner | None = None

    @property
    def to_tag(self) -> bytes:
        """The To tag of the last provisional response, or empty."""
        return parse_response(self._last).to_tag if self._last else b""

    def receive_retransmission_or_ack(self, request: Request, source: Flow) -> None:
        """Handle a retransmission of the INVITE, or an ACK."""
        if request.method != b"ACK":
            self.follow(request, source)
            self._retransmit()
        elif self.state is TransactionState.COMPLETED:
            self._enter(TransactionState.CONFIRMED)
            self._last = None
            # Timer I, T4 over UDP: the longest that a retransmitted ACK stays on the way.
            self._context.clock.start_timer(
                self, Timer.I, 0.0 if self.reliable else self._context.timers.t4
            )
        elif self.state is TransactionState.ACCEPTED:
            self._ack(request, source)
        # Else the ACK is a retransmission (Confirmed), or acknowledges what was never sent.

    def respond(self, response: Response) -> None:
        """Send a response of our own (``send_response``)."""
        self.send_response(response.status, bytes(response))

    def respond_statelessly(self, response: Response) -> None:
        """Send a final response and forget the request (RFC 3261 8.2.7).

        A retransmission is a new request then, and gets an equal response.  A stranger whose
        requests are rejected so cannot fill a store.
        """
        assert self.state is TransactionState.PROCEEDING
        self._context.send_response(bytes(response), b"INVITE", response.status, self.flow)
        self.terminate()

    def send_response(self, status: int, response: bytes) -> None:
        """Send a response; after a final one only more 2xx pass, after a 2xx.

        Others are dropped without an error: a branch may still ring or fail after the caller has
        its final response.
        """
        if self.state is TransactionState.PROCEEDING:
            self._last = response
            if status >= 300:
                self._complete()
            elif status >= 200:
                self._accept()
        elif self.state is not TransactionState.ACCEPTED or not 200 <= status < 300:
            return
        self.charge(len(response))
        self._context.send_response(response, b"INVITE", status, self.flow)

    def fire(self, timer: Timer) -> None:
        """Act on a timer of the present state (``timers.Timed``)."""
        if timer is Timer.G:
            self._resend()
        else:
            self.terminate()  # H, I, L

    def _accept(self) -> None:
        """Stay for timer L (RFC 6026 7.1); the callee retransmits the 2xx, we do not."""
        self._last = self.owner = None
        self._enter(TransactionState.ACCEPTED)
        self._context.clock.start_timer(self, Timer.L, self._context.timers.l)

    def terminate(self) -> None:
        """End the transaction in any state."""
        self._release()
        super().terminate()

    def register(self, store: Store, key: Hashable) -> None:
        """Remember an entry of ``store`` to remove when the call is cancelled, refused or over.

        The proxy finds merged requests there (RFC 3261 8.2.2.2).
        """
        self._registered = store, key

    def unregister(self) -> None:
        """Remove that entry: the caller gave up, so the same INVITE may come as a new one."""
        if self._registered is not None:
            store, key = self._registered
            self._registered = None
            store.pop(key, None)

    def _release(self) -> None:
        self.owner = None
        self.unregister()

    def _complete(self) -> None:
        """Retransmit the final response until an ACK comes (17.2.1)."""
        self._release()
        self._enter(TransactionState.COMPLETED)
        self._context.clock.start_timer(self, Timer.H, self._context.timers.h)
        if not self.reliable:
            self._context.clock.start_timer(self, Timer.G, self._interval)

    def _resend(self) -> None:
        """Retransmit the response; timer G is T1 at first and doubled up to T2."""
        self._retransmit()
        self._interval = min(2 * self._interval, self._context.timers.t2)
        self._context.clock.start_timer(self, Timer.G, self._interval)

    def _retransmit(self) -> None:
        if self._last is not None:
            status = int(self._last[8:11])
            self._context.send_response(
                self._last, b"INVITE", status, self.flow, retransmission=True
            )
