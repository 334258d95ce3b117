"""What the core asks of the world: read this first.

Rules that hold for every port: it never calls back before it has returned; ``send`` never
raises, its failure is a later fact; nothing is called back after ``cancel()``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from sip_stager.events import Event
    from sip_stager.sip.message import Request

Notify = Callable[["Event"], None]
Handlers = Mapping[type["Event"], Callable[[Any], None]]
"""What takes the events of each kind, for who is not told of any other."""
Value = str | int | float | bool
"""What a variable of an agent may hold."""
LEAST_FOR_STAGING = 0.3
"""Seconds that a staging takes: with less left none is begun, for the agent would wait in vain."""
LONGEST_USE = 55.0
"""Seconds from its staging in which an id may be sent: at the platform it lives for a minute."""


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


class Flow(NamedTuple):
    """Where a message came from, or where it is to go.

    ``transport`` is the RFC's word in capitals ("UDP", "TCP").  ``interface`` is the index of the
    listener of ours that it came to or leaves from.  ``connection`` numbers the TCP connection
    that it came over, 0 when there is none or any will do.
    """

    transport: str
    host: str
    port: int
    interface: int = 0
    connection: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport.lower()}:{host}:{self.port}"


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


@dataclass(frozen=True, slots=True)
class Treatment:
    """One thing to do with a call that could not be staged.

    ``kind``: ``forward`` (go on upstream without a staged agent), ``refuse`` (``status`` and
    ``reason``, each with a default where it is 0 or empty), ``redirect`` (``target`` is the SIP
    URI to try instead of the upstream), ``moved`` (the same URI in a 302), ``agent`` (``target``
    is the agent to stage instead).
    """

    kind: str
    status: int = 0
    reason: str = ""
    target: str = ""

    def __str__(self) -> str:
        parts = self.kind, str(self.status or ""), self.reason, self.target
        return " ".join(part for part in parts if part)


REFUSE = Treatment("refuse")


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of a call while it is staged, and when it can not be.

    ``treatments`` are tried one after another, by the cause of the failure; a cause without any is
    refused.  ``after_ringing`` stands for all of them once we have rung.  ``refusal`` is the status
    of a refusal that names none.  ``ringing`` is the status of our own provisional response (180 or
    183, 0 for none), ``ring_after`` the seconds until it is sent.
    """

    treatments: Mapping[str, tuple[Treatment, ...]] = field(default_factory=dict)
    after_ringing: tuple[Treatment, ...] = ()
    refusal: int = 503
    ringing: int = 0
    ring_after: float = 2.0


@dataclass(frozen=True, slots=True)
class Call:
    """A new call that admission has let in: what staging needs to know.

    Numbers are E.164 with the plus sign where the caller's or the dialled string is a number;
    what is not a number is left as it was.  ``deadline`` is the time that staging may take in
    all, in seconds; ``pass_503`` tells whether the trunk wants an upstream's 503 as it is.
    ``variables`` are what the agent is told of the call; they may hold what a stranger wrote.
    Without an ``agent_id`` it is not staged: the platform redirects the number by itself.
    ``generation`` is that of the row which maps the number.  ``another_follows`` tells that the
    deadline leaves time for another agent.  ``withheld`` tells that nobody may
    know who calls.
    """

    sip_call_id: str
    trunk: str
    from_number: str
    to_number: str
    agent_id: str
    deadline: float
    pass_503: bool = False
    policy: Policy = Policy()
    variables: Mapping[str, Value] = field(default_factory=dict, hash=False, repr=False)
    generation: int = 0
    another_follows: bool = False
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that is not to go on: what its caller gets, and why.

    ``cause`` is one of a small set of words, fit for a metric's label and the same in the log
    (``unknown_source``, ``unmapped_number``, ``over_time``, ...); ``text`` says it to who reads
    the log, and goes out to no peer.  ``retry_after`` is in seconds; ``trunk`` is empty where the
    source belongs to none.
    """

    status: int
    reason: str
    cause: str
    text: str
    retry_after: int | None = None
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class Forward:
    """Staging's word to go on upstream; ``call_id`` goes into ``X-Rounded-Call-Id``.

    ``staged_at`` is when it was staged, by the clock.
    """

    call_id: str
    staged_at: float = 0.0


Decision = Forward | Refusal


class Admission(Protocol):
    """Who may call, and what number they mean."""

    def admit(self, invite: Request, source: Flow) -> Call | Refusal:
        """Decide at once, from what is in memory; raises ``Malformed``."""

    def discreet(self, request: Request, source: Flow, *, withheld: bool = False) -> Request:
        """Take off a request what its network says of a caller who withholds who he is.

        ``withheld`` tells that he did so when the dialog began.
        """


class Stager(Protocol):
    """Stages a call with the platform."""

    @property
    def waiting(self) -> int:
        """How many calls are being staged."""

    def at_hand(self, call: Call) -> bool:
        """Tell whether a call needs nothing of the platform: its staging is there or under way."""

    def start(self, call: Call, done: Callable[[Decision], None]) -> Cancellable:
        """Call ``done`` later, once, within the call's deadline."""

    def give_back(self, call: Call, forward: Forward) -> None:
        """Take a staged call back that the upstream did not use."""
