"""What the two client machines share: a request that is repeated until it is heard (17.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.transaction.base import ClientUser, State, Store, Surroundings, Transaction

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request


class Sender(Transaction):
    """Sends a request at once and again, for 64*T1 at most; ``user`` is told what becomes of it.

    ``request`` is let go with the final response, and the user when nothing more is told.
    ``repeated`` tells that it was sent more than once, and may have been heard the first time.
    """

    __slots__ = ("_user", "repeated", "request")

    def __init__(
        self,
        around: Surroundings,
        store: Store,
        key: Hashable,
        flow: Flow,
        state: State,
        request: Request,
        user: ClientUser | None,
    ) -> None:
        super().__init__(around, store, key, flow, state)
        self.request: Request | None = request
        self._user = user
        self.repeated = False
        self._after(around.timers.patience, self._timed_out)
        if not self.reliable:
            self._after(around.timers.t1, self._resend, around.timers.t1)
        self.weigh(around.send(request, flow, self._send_failed))

    def abandon(self) -> None:
        """End it, whatever its state; what still comes is a stray."""
        super().abandon()
        self._user = self.request = None

    def lost(self, why: str) -> None:
        """Hear that nothing reaches the peer, or that a connection to it ended.

        A server may close a connection just as a request leaves on it, so what is lost on a
        stream is sent over another, once: the branch tells the peer that it is the same request.
        """
        if self.reliable and not self.repeated and self._unheard and self.request is not None:
            self.repeated = True
            self._around.send(self.request, self.flow, self._send_failed, repeated=True)
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
            self.repeated = True
            self._around.send(self.request, self.flow, self._send_failed, repeated=True)
            interval = self._longer(interval)
            self._after(interval, self._resend, interval)

    def _timed_out(self) -> None:
        user = self._user
        self.abandon()
        if user is not None:
            user.timed_out()

    def _send_failed(self, why: str) -> None:
        """Give up, unless something was heard since."""
        if not self._unheard:
            return
        user = self._user
        self.abandon()
        if user is not None:
            user.send_failed(why)
