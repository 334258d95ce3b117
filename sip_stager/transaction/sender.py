"""What the two client machines share: a request that is repeated until it is heard (17.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.transaction.base import ClientUser, Context, State, Store, Transaction

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request


class Sender(Transaction):
    """Sends a request at once and again, for 64*T1 at most; ``user`` is told what becomes of it.

    ``request`` is let go with the final response, and the user when nothing more is told.
    ``retransmitted`` tells that it was sent more than once, and may have been heard the first time.
    """

    __slots__ = ("_user", "request", "retransmitted")

    def __init__(
        self,
        context: Context,
        store: Store,
        key: Hashable,
        flow: Flow,
        state: State,
        request: Request,
        user: ClientUser | None,
    ) -> None:
        super().__init__(context, store, key, flow, state)
        self.request: Request | None = request
        self._user = user
        self.retransmitted = False
        self._start_timer(context.timers.b, self._timed_out)
        if not self.reliable:
            self._start_timer(context.timers.t1, self._resend, context.timers.t1)
        self.charge(context.send_message(request, flow, self._send_failed))

    def terminate(self) -> None:
        """End it, whatever its state; what still comes is a stray."""
        super().terminate()
        self._user = self.request = None

    def flow_lost(self, why: str) -> None:
        """Hear that nothing reaches the peer, or that a connection to it ended.

        A server may close a connection just as a request leaves on it, so what is lost on a
        stream is sent over another, once: the branch tells the peer that it is the same request.
        """
        if self.reliable and not self.retransmitted and self._unheard and self.request is not None:
            self.retransmitted = True
            self._context.send_message(
                self.request, self.flow, self._send_failed, retransmission=True
            )
        else:
            self._send_failed(why)

    @property
    def _unheard(self) -> bool:
        return self.state in {State.CALLING, State.TRYING}

    def _longer(self, interval: float) -> float:
        """Give the next interval between repetitions, in seconds: timer A doubles it."""
        return 2 * interval

    def _resend(self, interval: float) -> None:
        if self.request is not None:
            self.retransmitted = True
            self._context.send_message(
                self.request, self.flow, self._send_failed, retransmission=True
            )
            interval = self._longer(interval)
            self._start_timer(interval, self._resend, interval)

    def _timed_out(self) -> None:
        user = self._user
        self.terminate()
        if user is not None:
            user.timed_out()

    def _send_failed(self, why: str) -> None:
        """Give up, unless something was heard since."""
        if not self._unheard:
            return
        user = self._user
        self.terminate()
        if user is not None:
            user.send_failed(why)
