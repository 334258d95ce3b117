"""The server transaction of every other method (RFC 3261 17.2.2, RFC 4320).

::

      request -> Trying --- final ---> Completed --- timer J ---> Terminated
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.transaction.base import State, Store, Surroundings, Transaction

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.ports import Flow
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
    ) -> None:
        super().__init__(around, store, key, flow, State.TRYING)
        self._last: Response | None = None

    def receive(self, request: Request, source: Flow) -> None:  # noqa: ARG002  every server's shape
        """Take the request again."""
        if self._last is not None:
            self._around.send(self._last, self.flow, repeated=True)

    def respond(self, response: Response) -> None:
        """Send the final response; provisional ones do not leave (RFC 4320 4.1)."""
        if self.state is not State.TRYING or response.status < 200:
            return
        self._last = response
        self._enter(State.COMPLETED)
        self._after(0.0 if self.reliable else self._around.timers.patience, self.abandon)
        self._around.send(response, self.flow)
