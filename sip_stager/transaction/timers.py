"""The timers of transactions: the RFC's values, and a clock for very many equal timers.

Transactions start the same few timers, and almost none of them fires: a transaction leaves the
state of a timer long before.  So timers of one length wait in one FIFO queue, a *lane*, in the
order in which they fire, with one timer of the real clock for the head of the lane::

    64*T1   | INVITE client B | INVITE server L | server J | ...
               ^ fires first

A timer of a transaction is only an entry of its lane.  It belongs to the period of the transaction
in which it was started.  Entering another state begins another period, and timers of earlier ones
have no effect, so that stopping a timer costs nothing.
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
"""A lane with fewer entries is not swept: it would not pay."""


class Timer(Enum):
    """The timers of RFC 3261 table 4, RFC 6026, and three of our own."""

    A = "A"  # retransmit an INVITE over UDP
    B = "B"  # no response to an INVITE
    D = "D"  # wait for retransmissions of a 3xx-6xx to an INVITE
    E = "E"  # retransmit any other request over UDP
    F = "F"  # no response to any other request
    G = "G"  # retransmit a 3xx-6xx to an INVITE over UDP
    H = "H"  # no ACK
    I = "I"  # noqa: E741  wait for retransmissions of the ACK
    J = "J"  # wait for retransmissions of any other request
    K = "K"  # wait for retransmissions of its response
    L = "L"  # wait for retransmissions of an accepted INVITE
    M = "M"  # wait for more 2xx, of other forks
    PROCEED = "100"  # send 100: the request takes long (RFC 4320 4.1)
    CANCELLED = "CANCEL"  # no final response to a cancelled INVITE (RFC 3261 9.1)
    CALLBACK = "callback"  # of ``call_later``: timer C, for example


@dataclass(frozen=True, slots=True)
class Timers:
    """The values of RFC 3261 table 4, in seconds."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    c: float = 181.0
    b: float = field(init=False)
    """64*T1; so are the next five."""
    f: float = field(init=False)
    h: float = field(init=False)
    j: float = field(init=False)
    l: float = field(init=False)  # noqa: E741  the RFC's name
    m: float = field(init=False)
    d: float = field(init=False)
    """At least 32 s, as the T1 of the retransmitting peer is unknown (17.1.1.2)."""
    e_reaches_t2: float = field(init=False)
    """The time until a client's timer E reaches T2 by doubling (RFC 4320 4.1)."""

    def __post_init__(self) -> None:
        fixed = partial(object.__setattr__, self)
        for name in "bfhjlm":
            fixed(name, 64 * self.t1)
        fixed("d", max(self.b, 32.0))
        fixed("e_reaches_t2", _reaches(self.t1, self.t2))


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
    """The number of the present state; a timer of an earlier one has no effect."""

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
        """Release the callback and its arguments; no effect once it was called."""
        self.period = 1
        self._callback, self._arguments = None, ()

    def fire(self, timer: Timer) -> None:  # noqa: ARG002  (the protocol's signature)
        """Call the callback."""
        callback, arguments = self._callback, self._arguments
        self.cancel()
        if callback is not None:
            callback(*arguments)


_Entry = tuple[float, Timed, int, Timer]
"""The due time, the transaction, its period at the start, and the timer."""


class _Lane:
    """The timers of one length; it is swept when it holds ``sweep_size`` entries."""

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

    def start_timer(self, transaction: Timed, timer: Timer, delay: float) -> None:
        """Fire a timer after ``delay`` seconds, unless the transaction changes its state."""
        lane = self._lanes.get(delay)
        if lane is None or len(lane.entries) >= lane.sweep_size:
            lane = self._roomy_lane(delay, lane)
        lane.entries.append((self.time() + delay, transaction, transaction.period, timer))

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> _Call:
        """Call ``callback(*args)`` after ``delay`` seconds."""
        call = _Call(callback, args)
        self.start_timer(call, Timer.CALLBACK, delay)
        return call

    def pending(self, transaction: Timed) -> Iterator[tuple[Timer, float]]:
        """Yield a transaction's timers and their seconds left; slow, for debugging."""
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
        """Fire the due timers, and wait for the next one that was not stopped."""
        now, entries = self.time(), lane.entries
        try:
            while entries:
                due, transaction, period, timer = entries[0]
                if transaction.period != period:  # it was stopped
                    entries.popleft()
                    continue
                if due > now:
                    break
                entries.popleft()
                transaction.fire(timer)
        finally:  # also if a callback raises: the timers behind it must still fire
            if entries:
                # Comparing with each entry's own due time, instead of counting back from now,
                # keeps the rounding of floats from finding the head not due again and again.
                wait = max(entries[0][0] - now, 0.0)
                self._clock.call_later(wait, self._fire_due, delay, lane)
            else:
                del self._lanes[delay]
