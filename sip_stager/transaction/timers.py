"""Timers of transactions: the RFC's values, and a clock made for very many equal timers.

A transaction starts the same few timers again and again, and almost all of them are for nothing: it
leaves the state that they belong to long before they fire.  So timers of one length wait in one
first-in first-out *lane*, in the order in which they fire, with one timer of the real clock for the
head of the lane::

    64*T1   | INVITE client B | INVITE server L | server J | ...
               ^ fires first

A timer of a transaction is an entry of its lane and nothing else.  It belongs to the period of the
transaction's life in which it was started.  Entering another state begins another period, and the
timers of the earlier ones fire into nothing, so that stopping a timer costs nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sip_stager.ports import Clock


MIN_SWEEP_SIZE = 1000
"""Timers of one length that are not worth a sweep."""


class Timer(Enum):
    """The timers of RFC 3261 table 4, RFC 6026, and two of our own."""

    A = "A"  # an INVITE over UDP is sent again
    B = "B"  # nobody answers an INVITE
    D = "D"  # a peer may repeat its refusal of an INVITE
    E = "E"  # any other request over UDP is sent again
    F = "F"  # nobody answers any other request
    G = "G"  # a refusal of an INVITE over UDP is sent again
    H = "H"  # no ACK comes
    I = "I"  # noqa: E741  ACKs may be repeated
    J = "J"  # any other request may be repeated
    K = "K"  # its response may be repeated
    L = "L"  # an answered INVITE may be repeated
    M = "M"  # further 2xx of other branches may come
    PROCEED = "100"  # the peer would ask less often if it heard a 100 (RFC 4320 4.1)
    CANCELLED = "CANCEL"  # a cancelled INVITE gets no final response (RFC 3261 9.1)


@dataclass(frozen=True, slots=True)
class Timers:
    """RFC 3261 table 4, in seconds."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    c: float = 181.0
    b: float = field(init=False)
    """64*T1; timers F, H, J, L and M are as long."""
    d: float = field(init=False)
    """How long a peer may repeat a refusal; its T1 is not known, so 32 s at least (17.1.1.2)."""
    e_reaches_t2: float = field(init=False)
    """How long a client's Timer E takes to be reset to T2 (RFC 4320 4.1)."""

    def __post_init__(self) -> None:
        fixed = partial(object.__setattr__, self)
        fixed("b", 64 * self.t1)
        fixed("d", max(self.b, 32.0))
        fixed("e_reaches_t2", _reaches(self.t1, self.t2))

    @property
    def f(self) -> float:
        """Timer F, 64*T1 like timer B; so are H, J, L and M."""
        return self.b

    h = j = l = m = f  # noqa: E741  the RFC's names


def _reaches(interval: float, t2: float) -> float:
    """Return how long an interval that doubles takes to reach T2, in seconds."""
    passed = interval
    while 2 * interval < t2:
        interval *= 2
        passed += interval
    return passed


class Timed(Protocol):
    """A transaction as its timers see it."""

    period: int
    """The number of the state that it is in; a timer of an earlier one fires into nothing."""

    def fire(self, timer: Timer) -> None:
        """Act on a timer of the present state."""


class _Call:
    """A call of ``call_later`` as an entry of a lane; cancelling it begins another period."""

    __slots__ = ("_arguments", "_callback", "period")

    def __init__(self, callback: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self._callback: Callable[..., object] | None = callback
        self._arguments = arguments
        self.period = 0

    def cancel(self) -> None:
        """Let the callback and its arguments go; harmless when it was called."""
        self.period = 1
        self._callback, self._arguments = None, ()

    def fire(self, timer: Timer) -> None:  # noqa: ARG002  an entry's shape
        """Call it."""
        callback, arguments = self._callback, self._arguments
        self.cancel()
        if callback is not None:
            callback(*arguments)


_Entry = tuple[float, Timed, int, Timer]
"""When it is due, for which transaction, started in which period of it, and which timer it is."""


class _Lane:
    """Timers of one length; at ``sweep_size`` it is swept."""

    __slots__ = ("entries", "sweep_size")

    def __init__(self) -> None:
        self.entries: deque[_Entry] = deque()
        self.sweep_size = MIN_SWEEP_SIZE

    def sweep(self) -> None:
        """Drop the timers that were stopped: a long one would hold its transaction for minutes."""
        alive = [entry for entry in self.entries if entry[1].period == entry[2]]
        self.entries.clear()
        self.entries.extend(alive)
        self.sweep_size = max(MIN_SWEEP_SIZE, 2 * len(alive))


class LaneClock:
    """A ``Clock`` for delays of few different lengths: O(1) per timer, where a heap is O(log n).

    A lane holds at most ``MIN_SWEEP_SIZE`` timers, or twice those alive at its last sweep.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lanes: dict[float, _Lane] = {}
        self.time = clock.time

    def start_timer(self, delay: float, transaction: Timed, timer: Timer) -> None:
        """Let a timer fire after ``delay`` seconds, unless the transaction changes its state."""
        lane = self._lanes.get(delay)
        if lane is None or len(lane.entries) >= lane.sweep_size:
            lane = self._roomy_lane(delay, lane)
        lane.entries.append((self.time() + delay, transaction, transaction.period, timer))

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> _Call:
        """Call ``callback(*args)`` after ``delay`` seconds."""
        call = _Call(callback, args)
        self.start_timer(delay, call, Timer.PROCEED)
        return call

    def pending(self, transaction: Timed) -> Iterator[tuple[Timer, float]]:
        """Yield a transaction's timers and their seconds left; slow, for a person's eyes."""
        for lane in self._lanes.values():
            for due, owner, period, timer in lane.entries:
                if owner is transaction and period == transaction.period:
                    yield timer, due - self.time()

    def _roomy_lane(self, delay: float, lane: _Lane | None) -> _Lane:
        """Return the lane of a delay with room for one more: a new one, or a swept one."""
        if lane is not None:
            lane.sweep()
            return lane
        lane = self._lanes[delay] = _Lane()
        self._clock.call_later(delay, self._fire_due, delay, lane)
        return lane

    def _fire_due(self, delay: float, lane: _Lane) -> None:
        """Fire what is due, and wait for the next timer that was not stopped."""
        now, entries = self.time(), lane.entries
        try:
            while entries:
                due, transaction, period, timer = entries[0]
                if transaction.period != period:
                    entries.popleft()
                elif due <= now:
                    entries.popleft()
                    transaction.fire(timer)
                else:
                    break
        finally:  # also where a callback raises: the timers behind it must still fire
            if entries:
                # Comparing with each entry's own due time, instead of counting back from now,
                # keeps the rounding of floats from finding the head not due again and again.
                wait = max(entries[0][0] - now, 0.0)
                self._clock.call_later(wait, self._fire_due, delay, lane)
            else:
                del self._lanes[delay]
