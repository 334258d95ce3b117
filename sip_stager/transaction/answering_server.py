"""The base of both server machines: which request it answers, and where the responses go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.responses import response_flow
from sip_stager.transaction.base import Store, Transaction

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request


class AnsweringServer(Transaction):
    """A server transaction; ``cseq_number`` is that of its request."""

    __slots__ = ("cseq_number",)

    cseq_number: int | None

    def follow(self, request: Request, source: Flow) -> None:
        """Send the responses to where a repetition or the CANCEL came from (RFC 3261 18.2.2).

        A client whose connection was lost repeats its request on a new one, and a NAT may bind
        another port.  Only the host that sent the request is followed: anybody who has seen it
        could repeat it, and would get the responses.
        """
        flow = response_flow(request.top_via, source)
        if flow.host == self.flow.host and flow != self.flow:
            self.flow = flow
            self.reliable = flow.transport != "UDP"

    def move(self, store: Store, key: Hashable) -> None:
        """Change the place that the transaction leaves when it ends."""
        self._store.pop(self.key, None)
        self._store, self.key = store, key
