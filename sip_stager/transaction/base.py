"""What the four machines share: a key, a flow, a state, and timers that end with the state.

Each file of a machine draws which of the states it goes through.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from sip_stager.events import MessageSent

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Cancellable, Clock, Notify, Transport
    from sip_stager.sip.message import Request, Response
    from sip_stager.transaction.timers import Timers


State = Enum("State", "CALLING TRYING PROCEEDING ACCEPTED COMPLETED CONFIRMED TERMINATED")
"""RFC 3261 17, RFC 6026 7."""


@dataclass(slots=True)
class MemoryAccount:
    """How much all transactions that are alive weigh together, in bytes."""

    size: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """What every transaction is given."""

    clock: Clock
    transport: Transport
    notify: Notify
    timers: Timers
    memory: MemoryAccount = field(default_factory=MemoryAccount)

    def send_message(
        self,
        message: Request | Response,
        flow: Flow,
        failed: Callable[[str], None] | None = None,
        *,
        retransmission: bool = False,
    ) -> int:
        """Hand a message to the transport, tell that it was, and give its size in bytes."""
        data = bytes(message)
        self.transport.send(data, flow, failed)
        self.notify(MessageSent(message, flow, retransmission))
        return len(data)


class Store(Protocol):
    """What a transaction leaves when it ends: the layer's dictionary."""

    def pop(self, key: Any, default: None, /) -> Any:
        """Take out what is under ``key``."""


class Transaction:
    """One transaction; it leaves ``store``, where it is under ``key``, when it ends.

    ``size`` is what it weighs, in bytes: as much as the largest message that it has had to keep.
    """

    __slots__ = ("_context", "_store", "_timers", "flow", "key", "size", "state")

    def __init__(
        self,
        context: Context,
        store: Store,
        key: Hashable,
        flow: Flow,
        state: State,
    ) -> None:
        self._context = context
        self._store = store
        self._timers: list[Cancellable] = []
        self.key = key
        self.flow = flow
        self.state = state
        self.size = 0

    def charge(self, size: int) -> None:
        """Note the size of a message that it keeps, or part of which it keeps."""
        if size > self.size:
            self._context.memory.size += size - self.size
            self.size = size

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits for us."""
        return self.flow.transport != "UDP"

    def _enter(self, state: State) -> None:
        """Change the state; its timers end with the old one."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.state = state

    def _start_timer(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        self._timers.append(self._context.clock.call_later(delay, callback, *args))

    def respond_statelessly(self, response: Response) -> None:
        """Answer a request and forget it: its repetition is answered anew (RFC 3261 8.2.7)."""
        self._context.send_message(response, self.flow)
        self.terminate()

    def terminate(self) -> None:
        """End it, whatever its state; what still comes belongs to nothing."""
        self._enter(State.TERMINATED)
        self._store.pop(self.key, None)
        self._context.memory.size -= self.size
        self.size = 0


class ClientUser(Protocol):
    """Who sent a request, and is told what becomes of it."""

    def receive_response(self, response: Response) -> None:
        """Take a response, a retransmitted 2xx of an INVITE included."""

    def timed_out(self) -> None:
        """Hear that nobody answered in time (timer B or F)."""

    def send_failed(self, why: str) -> None:
        """Hear that the request did not leave, in words."""
