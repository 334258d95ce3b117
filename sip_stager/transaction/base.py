"""The base of the four state machines: a key, a flow, a state, and timers that end with the state.

The file of each machine has a diagram of its states.

Two rules hold for all of them:

1. A timer belongs to a state: ``_enter`` cancels those of the old state before the new one begins,
   so that no timer fires late.
2. A transaction is in its store until Terminated, and nothing else keeps it alive.
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
"""The states of RFC 3261 17 and RFC 6026 7."""


@dataclass(slots=True)
class MemoryAccount:
    """The size of all messages that live transactions keep, in bytes."""

    size: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """The ports and settings that all transactions share."""

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
        """Send a message, report it, and return its size in bytes."""
        data = bytes(message)
        self.transport.send(data, flow, failed)
        self.notify(MessageSent(message, flow, retransmission))
        return len(data)


class Store(Protocol):
    """A dictionary that a transaction leaves when it ends."""

    def pop(self, key: Any, default: None, /) -> Any:
        """Remove the entry of ``key``, if there is one."""


class Transaction:
    """A transaction; it leaves its place under ``key`` in ``store`` when it ends.

    ``size`` is its share of the memory account, in bytes: the largest message that it has kept.
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
        """Add a message that the transaction keeps, whole or in part, to the memory account."""
        if size > self.size:
            self._context.memory.size += size - self.size
            self.size = size

    @property
    def reliable(self) -> bool:
        """True if the transport retransmits for us, which decides most timers (RFC 3261 17)."""
        return self.flow.transport != "UDP"

    def _enter(self, state: State) -> None:
        """Change the state and cancel the timers of the old one."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.state = state

    def _start_timer(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        self._timers.append(self._context.clock.call_later(delay, callback, *args))

    def respond_statelessly(self, response: Response) -> None:
        """Send a final response and forget the request (RFC 3261 8.2.7).

        A retransmission is a new request then, and gets an equal response.  A stranger whose
        requests are rejected so cannot fill a store.
        """
        self._context.send_message(response, self.flow)
        self.terminate()

    def terminate(self) -> None:
        """End the transaction in any state; a message that still comes matches nothing."""
        self._enter(State.TERMINATED)
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
