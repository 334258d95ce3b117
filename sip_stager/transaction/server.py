"""The server transaction of every other method (RFC 3261 17.2.2, RFC 4320).

::

      request
         |
      Trying -------------------- final ---> Completed --- timer J ---> Terminated
         |                          ^        (a repetition: the answer again)
      no answer when a client's     |
      timer E is T2: 100            |
         v                          |
      Proceeding -------------------+
      (a repetition: 100 again)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.responses import make_response
from sip_stager.transaction.base import State, Store, Surroundings, Transaction

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request, Response


class ServerTransaction(Transaction):
    """Absorbs repetitions of a request, and answers them as the first was answered."""

    __slots__ = ("_last",)

    def __init__(
        self,
        around: Surroundings,
        store: Store,
        key: Hashable,
        flow: Flow,
        request: Request,
    ) -> None:
        super().__init__(around, store, key, flow, State.TRYING)
        self._last: Response | None = None
        self._after(around.timers.until_t2, self._proceed, request)

    def receive_retransmission(self) -> None:
        """Send the last response again, if there is one."""
        if self._last is not None:
            self._around.send(self._last, self.flow, repeated=True)

    def respond(self, response: Response) -> None:
        """Send the final response; none that RFC 4320 forbids leaves: 101 to 199, 408."""
        if self.state not in {State.TRYING, State.PROCEEDING} or response.status < 200:
            return
        self._enter(State.COMPLETED)
        self._after(0.0 if self.reliable else self._around.timers.patience, self.abandon)
        self._last = None if response.status == 408 else response
        if self._last is not None:
            self.weigh(self._around.send(self._last, self.flow))

    def _proceed(self, request: Request) -> None:
        """Say that the answer takes long, so that the client asks less often (RFC 4320 4.1)."""
        self._enter(State.PROCEEDING)
        self._last = make_response(request, 100)
        self._around.send(self._last, self.flow)
