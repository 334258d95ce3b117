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
                    Completed ---- timer D (each repetition: ACK) -----> Terminated
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from sip_stager.transaction.base import ClientUser, Store, Surroundings, Transaction
from sip_stager.transaction.hop_by_hop import make_ack

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.ports import Flow
    from sip_stager.sip.message import Request, Response

State = Enum("State", "CALLING PROCEEDING COMPLETED ACCEPTED TERMINATED")


class InviteClientTransaction(Transaction):
    """Sends an INVITE until it is heard, and acknowledges what is not a 2xx."""

    __slots__ = ("_ack", "_user", "request")

    def __init__(
        self,
        around: Surroundings,
        store: Store,
        key: Hashable,
        flow: Flow,
        request: Request,
        user: ClientUser,
    ) -> None:
        super().__init__(around, store, key, flow, State.CALLING)
        self.request: Request | None = request
        self._user: ClientUser | None = user
        self._ack: Request | None = None
        self._after(around.timers.patience, self._timed_out)
        if not self.reliable:
            self._after(around.timers.t1, self._resend, around.timers.t1)
        around.send(request, flow, self._send_failed)

    def receive(self, response: Response) -> None:
        """Take a response."""
        if self.state is State.COMPLETED:
            self._acknowledge_again(response)
        elif response.status < 200:
            self._provisional(response)
        elif response.status < 300:
            self._accept(response)
        elif self._user is not None and self.request is not None:
            self._complete(response, self._user, self.request)

    def abandon(self) -> None:
        """End without a final response; what still comes is a stray."""
        self._enter(State.TERMINATED)
        self._user = self.request = self._ack = None
        self._leave_store()

    def give_up_in_time(self) -> None:
        """Wait no longer than 64*T1 for the end of what was cancelled (RFC 3261 9.1)."""
        self._after(self._around.timers.patience, self._timed_out)

    def _provisional(self, response: Response) -> None:
        if self.state is State.CALLING:
            self._enter(State.PROCEEDING)
        if self.state is State.PROCEEDING and self._user is not None:
            self._user.receive(response)

    def _accept(self, response: Response) -> None:
        if self.state is not State.ACCEPTED:
            self._enter(State.ACCEPTED)
            self.request = None
            self._after(self._around.timers.patience, self.abandon)
        if self._user is not None:
            self._user.receive(response)

    def _complete(self, response: Response, user: ClientUser, request: Request) -> None:
        self._ack = make_ack(request, response)
        self._user = self.request = None
        self._enter(State.COMPLETED)
        self._after(0.0 if self.reliable else self._around.timers.patience, self.abandon)
        self._around.send(self._ack, self.flow)
        user.receive(response)

    def _acknowledge_again(self, response: Response) -> None:
        if self._ack is not None and response.status >= 300:
            self._around.send(self._ack, self.flow, repeated=True)

    def _resend(self, interval: float) -> None:
        """Timer A: T1 at first, doubled each time."""
        if self.request is not None:
            self._around.send(self.request, self.flow, self._send_failed, repeated=True)
            self._after(2 * interval, self._resend, 2 * interval)

    def _timed_out(self) -> None:
        user = self._user
        self.abandon()
        if user is not None:
            user.timed_out()

    def _send_failed(self, why: str) -> None:
        user = self._user
        if self.state is State.CALLING and user is not None:
            self.abandon()
            user.send_failed(why)
