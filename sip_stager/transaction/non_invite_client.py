"""The client transaction of all methods but INVITE (RFC 3261 17.1.2).

::

    timer E resends   Trying ---- timer F, or it could not be sent ----> Terminated
                        |                                                  ^
                        +-- 1xx --> Proceeding (timer E: T2) -- timer F ---+
                        |               |                                  |
                        +---- final ----+--> Completed ------ timer K -----+

Completed absorbs retransmissions of the response: for T4 over UDP, not at all over TCP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.transaction.base import ClientKey, ClientUser, Context, Store, TransactionState
from sip_stager.transaction.retransmitting_client import RetransmittingClient
from sip_stager.transaction.timers import Timer

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Response


class ClientTransaction(RetransmittingClient):
    """The client transaction of all methods but INVITE.

    A CANCEL has no ``user``: its own response decides nothing, that of the INVITE does.
    """

    __slots__ = ()

    RESEND = Timer.E
    TIMEOUT = Timer.F

    def __init__(
        self,
        context: Context,
        store: Store,
        key: ClientKey,
        flow: Flow,
        request: bytes,
        user: ClientUser | None = None,
    ) -> None:
        super().__init__(context, store, key, flow, TransactionState.TRYING, request, user)

    def receive_response(self, response: Response) -> None:
        """Handle a response."""
        if self.state is TransactionState.COMPLETED:  # a retransmission
            return
        user = self._user
        if response.status < 200:
            self.state = TransactionState.PROCEEDING  # not _enter: timers E and F go on (17.1.2.2)
        else:
            self._enter(TransactionState.COMPLETED)
            self.request = self._user = None
            self._context.clock.start_timer(
                self, Timer.K, 0.0 if self.reliable else self._context.timers.t4
            )
        if user is not None:
            user.receive_response(response)

    def fire(self, timer: Timer) -> None:
        """Act on a timer of the present state (``timers.Timed``)."""
        if timer is Timer.K:
            self.terminate()
        elif timer is Timer.E:
            self._resend()
        else:
            self._timed_out()  # F

    def _next_interval(self) -> float:
        """Return timer E: doubled up to T2, and T2 after a provisional response (17.1.2.2)."""
        t2 = self._context.timers.t2
        return t2 if self.state is TransactionState.PROCEEDING else min(2 * self._interval, t2)
