"""READ FIRST: what the core needs from the outside world, as protocols.

The core is pure and synchronous: it gets time, the network, DNS, admission and staging through
these ports alone.  All of it can therefore run in a test with a clock moved by hand.

**A port returns at once; whatever happens later arrives as a callback, until it is cancelled.**

1. A port never calls back before it has returned.  The core may change its state after the call
   without a callback in between.
2. ``send`` never raises.  A failure is a later fact, reported through ``failed``.
3. Nothing is called back after ``cancel()``.  The core may forget what it cancelled.

Fakes that keep these rules are in ``tests/support/fakes.py``, named in each protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sip_stager.events import Event
    from sip_stager.model.call import Call, Decision, Forward, Refusal
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request, Response

Notify = Callable[["Event"], None]
"""Reports an event to all observers, before it returns."""
Handlers = Mapping[type["Event"], Callable[[Any], None]]
"""Maps an event type to its handler; an observer without an entry never sees that type."""


class Cancellable(Protocol):
    """An operation under way; ``asyncio.TimerHandle`` and ``asyncio.Task`` are instances."""

    def cancel(self) -> object:
        """Stop it; no effect once it is over."""


class Clock(Protocol):
    """The time of an asyncio event loop (``FakeClock``)."""

    def time(self) -> float:
        """Return the seconds of a clock that never goes back."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Cancellable:
        """Call ``callback(*args)`` after ``delay`` seconds."""


class Transport(Protocol):
    """The sender of messages; received ones go to the transaction layer (``FakeTransport``)."""

    def send(self, data: bytes, flow: Flow, failed: Callable[[str], None] | None = None) -> None:
        """Send one message.

        Over TCP, the connection that the flow names is used if it is open, else an open one with
        the same address and port, whichever side opened it, else a new one (RFC 3261 18.1.1,
        18.2.2).  ``failed`` is called with the
        reason, for the log, once it is known that the message was not sent.
        """

    def is_connected(self, host: str, port: int) -> bool:
        """Return True if a TCP connection with that address and port is open.

        Either side may have opened it.
        """


class Routes(Protocol):
    """The routes of this machine (``FakeRoutes``)."""

    def source_for(self, host: str) -> str:
        """Return our address for packets to an IP address; empty if there is no route."""


class MessageObserver(Protocol):
    """An observer of every SIP message, retransmissions included.

    It is called a dozen times per call, so it is a port of its own and no event: counting takes one
    call and one increment.
    """

    def request_received(self, request: Request, flow: Flow) -> None:
        """Observe a request that was parsed."""

    def response_received(self, response: Response, method: bytes, flow: Flow) -> None:
        """Observe a response, to a request with that method, that was parsed."""

    def request_sent(self, data: bytes, method: bytes, flow: Flow, *, retransmission: bool) -> None:
        """Observe a request that was handed to the transport."""

    def response_sent(
        self, data: bytes, method: bytes, status: int, flow: Flow, *, retransmission: bool
    ) -> None:
        """Observe a response, to a request with that method, that was handed to the transport."""

    def raw_message(self, data: bytes, flow: Flow, *, sent: bool) -> None:
        """Observe a message that was never parsed: of an INVITE that was refused in overload.

        It is the INVITE, its response (``sent``), or the ACK of that.
        """


class Resolver(Protocol):
    """The lookup of host names (RFC 3263, A and AAAA records) (``FakeResolver``)."""

    def resolve(
        self, host: str, done: Callable[[Sequence[str]], None], source: str = ""
    ) -> Cancellable:
        """Call ``done`` later with the IP addresses, in the order in which they are tried.

        There are none if no answer came in time.  ``source`` is the address of the peer whose
        message has the name: look-ups are shared fairly between sources.
        """


class Admission(Protocol):
    """The decision on which trunk a caller belongs to and which number it means.

    All methods decide at once, from memory (``FakeAdmission``).
    """

    def admit(self, invite: Request, source: Flow) -> Call | Refusal:
        """Return the call of a new INVITE, or its refusal; raises ``Malformed``."""

    def refuse_unread(self, source: Flow) -> Refusal:
        """Return the refusal of a new INVITE in overload, by its source alone."""

    def resembles_trunk(self, invite: Request, source: Flow) -> str:
        """Return why a stranger's INVITE may be one of a trunk, for the log; empty if not."""

    def share_trunk(self, one: str, other: str) -> bool:
        """Return True if two addresses are of one trunk."""

    def out_of_service(self, source: Flow) -> str:
        """Return why OPTIONS get 503, for its Warning; empty if they get 200.

        It is for the trunks that ask whether their calls would be refused (RFC 3261 11.2).
        """

    def strip_identity(self, request: Request, source: Flow, *, anonymous: bool = False) -> Request:
        """Strip the identity fields of a caller who requests privacy (RFC 3323, RFC 3325).

        ``anonymous``: the caller requested it when the dialog began, and this request may not.
        """


class CallLimits(Protocol):
    """The limits of the calls of trunks and numbers (``EventCallLimits``).

    It counts them from the events, so it knows of each call as soon as it is admitted.
    """

    def exceeded(self, trunk: str, row: str) -> str:
        """Return the limit that another call would exceed, for the log; empty if there is none.

        ``row`` is the number of the table row that maps the called one.
        """


class Stager(Protocol):
    """The staging of calls with the platform (``FakeStager``)."""

    @property
    def waiting(self) -> int:
        """The number of calls that are being staged."""

    def waiting_of(self, trunk: str) -> int:
        """Return the number of a trunk's calls that are being staged."""

    def can_reuse(self, call: Call) -> bool:
        """Return True if a call needs no new staging: an equal call's is there or under way."""

    def start_staging(self, call: Call, done: Callable[[Decision], None]) -> Cancellable:
        """Stage a call; ``done`` is called later, once, within the call's deadline."""

    def return_unused(self, call: Call, forward: Forward) -> None:
        """Take back a staged call that no upstream used, for an equal call."""
