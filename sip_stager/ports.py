"""What the core asks of the world: read this first.

Rules that hold for every port: it never calls back before it has returned; ``send`` never
raises, its failure is a later fact; nothing is called back after ``cancel()``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sip_stager.events import Event
    from sip_stager.model.call import Call, Decision, Forward, Refusal
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request

Notify = Callable[["Event"], None]
Handlers = Mapping[type["Event"], Callable[[Any], None]]
"""What takes the events of each kind, for who is not told of any other."""


class Cancellable(Protocol):
    """Something under way: an ``asyncio.TimerHandle`` and an ``asyncio.Task`` are both one."""

    def cancel(self) -> object:
        """Stop it; harmless when it is over."""


class Clock(Protocol):
    """Time, as an asyncio loop gives it."""

    def time(self) -> float:
        """Seconds on a clock that never goes back."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Cancellable:
        """Call ``callback(*args)`` after ``delay`` seconds."""


class Transport(Protocol):
    """Sends bytes; what arrives is handed to the transaction layer."""

    def send(self, data: bytes, flow: Flow, failed: Callable[[str], None] | None = None) -> None:
        """Send one message.

        A connection named by the flow is used when it is still open, else an open one to the
        same address, else a new one is made (RFC 3261 18.1.1, 18.2.2).  ``failed`` is called
        later, with the reason in words, when it is known that the message did not leave.
        """


class Resolver(Protocol):
    """Turns a host name into an address (RFC 3263, A and AAAA records)."""

    def resolve(self, host: str, done: Callable[[str | None], None]) -> Cancellable:
        """Call ``done`` later with an IP address in text, or None when there is none in time."""


class Admission(Protocol):
    """Who may call, and what number they mean."""

    def admit(self, invite: Request, source: Flow) -> Call | Refusal:
        """Decide at once, from what is in memory; raises ``Malformed``."""

    def strip_identity(self, request: Request, source: Flow, *, anonymous: bool = False) -> Request:
        """Strip the identity fields of a caller who requests privacy (RFC 3323, RFC 3325).

        ``anonymous``: the caller requested it when the dialog began, and this request may not.
        """


class Stager(Protocol):
    """Stages a call with the platform."""

    @property
    def waiting(self) -> int:
        """How many calls are being staged."""

    def can_reuse(self, call: Call) -> bool:
        """Tell whether a call needs nothing of the platform: its staging is there or under way."""

    def start(self, call: Call, done: Callable[[Decision], None]) -> Cancellable:
        """Call ``done`` later, once, within the call's deadline."""

    def return_unused(self, call: Call, forward: Forward) -> None:
        """Take a staged call back that the upstream did not use."""
