"""The end of the program, as far as calls go: none begin, some may still be answered, none hang."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from sip_stager.transaction.base import State

if TYPE_CHECKING:
    from sip_stager.proxy.new_calls import NewCalls
    from sip_stager.transaction.layer import TransactionLayer

_UNDER_WAY = frozenset({State.CALLING, State.PROCEEDING})


class Ending:
    """Looks after the INVITEs that are there when the program is told to stop."""

    def __init__(self, layer: TransactionLayer, new_calls: NewCalls) -> None:
        self._layer = layer
        self._new_calls = new_calls

    @property
    def pending(self) -> int:
        """How many INVITEs have no final response yet."""
        return sum(one.owner is not None for one in self._layer.invite_servers.values())

    @property
    def settling(self) -> bool:
        """Whether an ACK may still have to go on, or a CANCEL is not answered.

        An ACK that comes too late is lost with its call: nobody would repeat the 2xx to the caller.
        """
        servers, clients = self._layer.invite_servers, self._layer.invite_clients
        answered = any(one.state is State.ACCEPTED for one in servers.values())
        ringing = any(one.state in _UNDER_WAY for one in clients.values())
        return answered or ringing or bool(self._layer.clients)

    def begin(self) -> None:
        """Take no new calls any more."""
        self._new_calls.ended = True

    def end_calls(self) -> None:
        """End what has no final response, all of it whatever goes wrong with one."""
        with ExitStack() as calls:
            for transaction in self._layer.invite_servers.values():
                if transaction.owner is not None:
                    calls.callback(transaction.owner.stop)
