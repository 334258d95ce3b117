"""The base of both client machines: a request that is retransmitted until a response (17.1).

A request that was lost on a stream is sent once more, over a new connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sip_stager.transaction.base import (
    ClientKey,
    ClientUser,
    Context,
    Store,
    Transaction,
    TransactionState,
)

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.transaction.timers import Timer


class RetransmittingClient(Transaction):
    """A client transaction: sends a request at once, and again while no response comes.

    ``request`` is the sent message: it is dropped with the final response, and the user when it has
    been told all.
    ``retransmitted``: the request was sent more than once, so the peer may have it even if it
    cannot be reached any more.
    """

    __slots__ = ("_interval", "_user", "method", "request", "retransmitted")

    RESEND: ClassVar[Timer]
    """The timer of retransmissions: A or E."""
    TIMEOUT: ClassVar[Timer]
    """The timer of the timeout: B or F."""

    def __init__(
        self,
        context: Context,
        store: Store,
        key: ClientKey,
        flow: Flow,
        state: TransactionState,
        request: bytes,
        user: ClientUser | None,
    ) -> None:
        super().__init__(context, store, key, flow, state, len(request))
        self.method = key[1]
        self.request: bytes | None = request
        self._user = user
        self.retransmitted = False
        self._interval = context.timers.t1
        if self.reliable:
            context.clock.start_timer(self, self.TIMEOUT, context.timers.b)
        else:  # the timeout's timer begins with the first retransmission: most have none
            context.clock.start_timer(self, self.RESEND, self._interval)
        context.send_request(request, self.method, flow, self._send_failed)

    def terminate(self) -> None:
        """End the transaction in any state; a response that still comes is a stray."""
        super().terminate()
        self._user = self.request = None

    def flow_lost(self, why: str) -> None:
        """Handle that the peer cannot be reached, or that a connection to it ended.

        A server may close an idle connection just as a request is sent on it.  So a request
        without a response is sent again, once, on another connection: by its branch the peer
        sees that it is the same.
        """
        if (
            self.reliable
            and not self.retransmitted
            and self._unanswered
            and self.request is not None
        ):
            self._send_again(self.request)
        else:
            self._send_failed(why)

    @property
    def _unanswered(self) -> bool:
        """True if no response has come."""
        return self.state in {TransactionState.CALLING, TransactionState.TRYING}

    def _next_interval(self) -> float:
        """Return the next retransmission interval in seconds: timer A doubles it (17.1.1.2)."""
        return 2 * self._interval

    def _resend(self) -> None:
        assert self.request is not None  # timers A and E end with the final response
        timers = self._context.timers
        if not self.retransmitted:  # T1 of the timeout has passed
            left = timers.b - timers.t1
            self._context.clock.start_timer(self, self.TIMEOUT, left)
        self._send_again(self.request)
        self._interval = self._next_interval()
        self._context.clock.start_timer(self, self.RESEND, self._interval)

    def _send_again(self, request: bytes) -> None:
        self.retransmitted = True
        self._context.send_request(
            request, self.method, self.flow, self._send_failed, retransmission=True
        )

    def _timed_out(self) -> None:
        user = self._user
        self.terminate()
        if user is not None:
            user.timed_out()

    def _send_failed(self, why: str) -> None:
        """Fail the request, unless a response has come."""
        if not self._unanswered:  # it was sent before: the response is still to come, or a timeout
            return
        user = self._user
        self.terminate()
        if user is not None:
            user.send_failed(why)
