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

from typing import TYPE_CHECKING

from sip_stager.transaction.base import ClientUser, State, Store, Surroundings
from sip_stager.transaction.hop_by_hop import make_ack
from sip_stager.transaction.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request, Response


class InviteClientTransaction(Sender):
    """Sends an INVITE until it is heard, and acknowledges what is not a 2xx."""

    __slots__ = ("_ack",)

    def __init__(
        self,
        around: Surroundings,
        store: Store,
        key: Hashable,
        flow: Flow,
        request: Request,
        user: ClientUser,
    ) -> None:
        self._ack: Request | None = None
        super().__init__(around, store, key, flow, State.CALLING, request, user)

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
        self._after(0.0 if self.reliable else self._around.timers.d, self.abandon)
        self.weigh(self._around.send(self._ack, self.flow))
        user.receive(response)

    def _acknowledge_again(self, response: Response) -> None:
        if self._ack is not None and response.status >= 300:
            self._around.send(self._ack, self.flow, repeated=True)
