"""The calls when the program stops: no new ones, time to answer the others, then an end."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from sip_stager.transaction.base import TransactionState

if TYPE_CHECKING:
    from sip_stager.calls.new_calls import NewCalls
    from sip_stager.transaction.layer import TransactionLayer

_RINGING = frozenset({TransactionState.CALLING, TransactionState.PROCEEDING})


class Shutdown:
    """Ends the INVITEs that have no final response when the program stops."""

    def __init__(self, layer: TransactionLayer, new_calls: NewCalls) -> None:
        self._layer = layer
        self._new_calls = new_calls

    @property
    def pending(self) -> int:
        """The number of INVITEs without a final response."""
        return sum(one.owner is not None for one in self._layer.invite_servers.values())

    @property
    def settling(self) -> bool:
        """True while an ACK may have to be forwarded, or a CANCEL has no response.

        An ACK that comes after our end is lost, and its call with it: the callee repeats its 2xx,
        but we are not there to pass it to the caller, who would repeat the ACK.
        """
        servers, clients = self._layer.invite_servers, self._layer.invite_clients
        answered = any(one.state is TransactionState.ACCEPTED for one in servers.values())
        ringing = any(one.state in _RINGING for one in clients.values())
        return answered or ringing or bool(self._layer.clients)

    def refuse_new_calls(self) -> None:
        """Refuse new calls from now on."""
        self._new_calls.closed = True

    def end_calls(self) -> None:
        """Stop every INVITE without a final response."""
        with ExitStack() as calls:  # all are stopped, even if one raises
            for transaction in self._layer.invite_servers.values():
                if transaction.owner is not None:
                    calls.callback(transaction.owner.stop)
