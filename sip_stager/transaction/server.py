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
from sip_stager.transaction.base import Context, State, Store, Transaction

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request, Response


class ServerTransaction(Transaction):
    """Absorbs repetitions of a request, and answers them as the first was answered."""

    __slots__ = ("_last",)

    def __init__(
        self,
        context: Context,
        store: Store,
        key: Hashable,
        flow: Flow,
        request: Request,
    ) -> None:
        super().__init__(context, store, key, flow, State.TRYING)
        self._last: Response | None = None
        self._start_timer(context.timers.e_reaches_t2, self._proceed, request)

    def receive_retransmission(self) -> None:
        """Send the last response again, if there is one."""
        if self._last is not None:
            self._context.send_message(self._last, self.flow, retransmission=True)

    def respond(self, response: Response) -> None:
        """Send the final response; none that RFC 4320 forbids leaves: 101 to 199, 408."""
        if self.state not in {State.TRYING, State.PROCEEDING} or response.status < 200:
            return
        self._enter(State.COMPLETED)
        self._start_timer(0.0 if self.reliable else self._context.timers.j, self.terminate)
        self._last = None if response.status == 408 else response
        if self._last is not None:
            self.charge(self._context.send_message(self._last, self.flow))

    def _proceed(self, request: Request) -> None:
        """Say that the answer takes long, so that the client asks less often (RFC 4320 4.1)."""
        self._enter(State.PROCEEDING)
        self._last = make_response(request, 100)
        self._context.send_message(self._last, self.flow)
