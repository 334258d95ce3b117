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
    from sip_stager.sip.message import Request, Response
    from sip_stager.transaction.timers import Timer


class State(Enum):
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


@dataclass(frozen=True, slots=True)
class Context:
    """The ports and settings that all transactions share."""

    clock: LaneClock
    transport: Transport
    notify: Notify
    messages: MessageObserver
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
        self.messages.message_sent(message, flow, retransmission=retransmission)
        return len(data)


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
        state: State,
    ) -> None:
        self._context = context
        self._store = store
        self.key = key
        self.flow = flow
        self.reliable = flow.transport != "UDP"
        self.state = state
        self.period = self.size = 0

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

    def _enter(self, state: State) -> None:
        """Change the state; the timers of the old one end with it."""
        self.period += 1
        self.state = state

    def _start(self, timer: Timer, delay: float) -> None:
        """Start a timer of the present state; ``delay`` is in seconds."""
        self._context.clock.start_timer(delay, self, timer)

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
