"""The client transaction of every other method (RFC 3261 17.1.2).

::

    timer E resends   Trying --- 1xx ---> Proceeding --- timer F, or it could not be sent ---+
                        |                     |                                              v
                        +------- final -------+---> Completed --- timer K -------------> Terminated
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from sip_stager.transaction.base import ClientUser, Store, Surroundings, Transaction

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.ports import Flow
    from sip_stager.sip.message import Request, Response

State = Enum("State", "TRYING PROCEEDING COMPLETED TERMINATED")


class ClientTransaction(Transaction):
    """Sends a request until it is answered.  Without a ``user`` nobody is told (a CANCEL)."""

    __slots__ = ("_request", "_user")

    def __init__(
        self,
        around: Surroundings,
        store: Store,
        key: Hashable,
        flow: Flow,
        request: Request,
        user: ClientUser | None = None,
    ) -> None:
        super().__init__(around, store, key, flow, State.TRYING)
        self._request: Request | None = request
        self._user = user
        self._after(around.timers.patience, self._timed_out)
        if not self.reliable:
            self._after(around.timers.t1, self._resend, around.timers.t1)
        around.send(request, flow, self._send_failed)

    def receive(self, response: Response) -> None:
        """Take a response."""
        if self.state is State.COMPLETED:
            return
        user = self._user
        if response.status < 200:
            self.state = State.PROCEEDING
        else:
            self._enter(State.COMPLETED)
            self._request = self._user = None
            self._after(0.0 if self.reliable else self._around.timers.t4, self.abandon)
        if user is not None:
            user.receive(response)

    def abandon(self) -> None:
        """End it."""
        self._enter(State.TERMINATED)
        self._user = self._request = None
        self._leave_store()

    def _resend(self, interval: float) -> None:
        """Timer E: T1 doubled up to T2, and T2 once a provisional response came."""
        if self._request is None:
            return
        self._around.send(self._request, self.flow, self._send_failed, repeated=True)
        t2 = self._around.timers.t2
        interval = t2 if self.state is State.PROCEEDING else min(2 * interval, t2)
        self._after(interval, self._resend, interval)

    def _timed_out(self) -> None:
        user = self._user
        self.abandon()
        if user is not None:
            user.timed_out()

    def _send_failed(self, why: str) -> None:
        if self.state not in {State.TRYING, State.PROCEEDING}:
            return
        user = self._user
        self.abandon()
        if user is not None:
            user.send_failed(why)
