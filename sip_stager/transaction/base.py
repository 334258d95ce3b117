"""The base of the four state machines: a key, a flow, a state, and timers that end with the state.

The file of each machine has a diagram of its states.

Two rules hold for all of them:

1. A timer belongs to a state: ``_enter`` begins another ``period``, and a timer that was started in
   an earlier one has no effect.
2. A transaction is in its store until Terminated, and nothing else keeps it alive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

from sip_stager.ports import MessageObserver, Notify, Transport
from sip_stager.transaction.timers import LaneClock, Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Response
    from sip_stager.transaction.timers import Timer


class TransactionState(Enum):
    """The states of RFC 3261 17 and RFC 6026 7."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    ACCEPTED = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    TERMINATED = auto()


@dataclass(slots=True)
class MemoryAccount:
    """The size of all messages that live transactions keep, in bytes."""

    size: int = 0


@dataclass(slots=True)
class Context:
    """The ports and settings that all transactions share; ``messages`` may be replaced."""

    clock: LaneClock
    transport: Transport
    notify: Notify
    messages: MessageObserver
    timers: Timers
    memory: MemoryAccount = field(default_factory=MemoryAccount)

    def send_request(
        self,
        data: bytes,
        method: bytes,
        flow: Flow,
        failed: Callable[[str], None] | None = None,
        *,
        retransmission: bool = False,
    ) -> None:
        """Send a request, and report it; ``failed`` is called if it cannot be sent."""
        self.transport.send(data, flow, failed)
        self.messages.request_sent(data, method, flow, retransmission=retransmission)

    def send_response(
        self, data: bytes, method: bytes, status: int, flow: Flow, *, retransmission: bool = False
    ) -> None:
        """Send a response to a request with that method, and report it."""
        self.transport.send(data, flow)
        self.messages.response_sent(data, method, status, flow, retransmission=retransmission)


ClientKey = tuple[bytes, bytes]
"""The key of a client transaction: branch and method (RFC 3261 17.1.3)."""


class Store(Protocol):
    """A dictionary that a transaction leaves when it ends."""

    def pop(self, key: Any, default: None, /) -> Any:
        """Remove the entry of ``key``, if there is one."""


class Transaction:
    """A transaction; it leaves its place under ``key`` in ``store`` when it ends.

    ``size`` is its share of the memory account, in bytes: the largest message that it has kept.
    ``reliable``: the transport retransmits for us, which decides most timers (RFC 3261 17).
    ``period`` counts the states that it has entered (``timers.Timed``).
    """

    __slots__ = ("_context", "_store", "flow", "key", "period", "reliable", "size", "state")

    def __init__(
        self,
        context: Context,
        store: Store,
        key: Hashable,
        flow: Flow,
        state: TransactionState,
        size: int,
    ) -> None:
        self._context = context
        self._store = store
        self.key = key
        self.flow = flow
        self.reliable = flow.transport != "UDP"
        self.state = state
        self.period = 0
        self.size = size
        context.memory.size += size

    def __repr__(self) -> str:
        timers = self._context.clock.pending(self)
        shown = "".join(f", {timer.name} in {left:.1f} s" for timer, left in timers)
        return f"{type(self).__name__}({self.state.name}{shown})"

    def charge(self, size: int) -> None:
        """Add a message that the transaction keeps, whole or in part, to the memory account."""
        if size > self.size:
            self._context.memory.size += size - self.size
            self.size = size

    def fire(self, timer: Timer) -> None:
        """Act on a timer of the present state (``timers.Timed``)."""
        raise NotImplementedError

    def _enter(self, state: TransactionState) -> None:
        """Change the state; the timers of the old one end with it."""
        self.period += 1
        self.state = state

    def terminate(self) -> None:
        """End the transaction in any state; a message that still comes matches nothing."""
        self._enter(TransactionState.TERMINATED)
        self._store.pop(self.key, None)
        self._context.memory.size -= self.size
        self.size = 0


class ClientUser(Protocol):
    """The sender of a request, which is told of its responses."""

    def receive_response(self, response: Response) -> None:
        """Handle a response; each retransmitted 2xx to an INVITE is passed as well."""

    def timed_out(self) -> None:
        """Handle the lack of a final response (timer B or F)."""

    def send_failed(self, why: str) -> None:
        """Handle that the request was not sent; ``why`` is a text for the log."""
