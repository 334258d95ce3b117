"""The timer values of RFC 3261, and a clock for very many timers of few lengths.

::

    lane of 0.5 s:  [due 10.1] [due 10.2] [cancelled] [due 10.4]     one timer of the real clock,
    lane of 32 s:   [due 12.0] [due 31.9]                            per lane, for its first entry

Timers of one length end in the order in which they began, so each lane is a FIFO queue: a timer
costs an append, against a heap's O(log n).  Cancelled entries stay until they are due or swept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Clock


MIN_SWEEP_SIZE = 1000
"""A lane with fewer entries is not swept: it would not pay."""


@dataclass(frozen=True, slots=True)
class Timers:
    """The values of RFC 3261 table 4, in seconds.

    ``c`` is above three minutes (16.6 step 11).  Timers A, E and G begin at T1; I and K are T4.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    c: float = 181.0

    @property
    def b(self) -> float:
        """Timer B, 64*T1: timers F, H, J, L and M are as long."""
        return 64 * self.t1

    f = h = j = l = m = b  # noqa: E741  the RFC's names

    @property
    def d(self) -> float:
        """Timer D: at least 32 s, as the T1 of the retransmitting peer is unknown (17.1.1.2)."""
        return max(self.b, 32.0)

    @property
    def e_reaches_t2(self) -> float:
        """The time until a client's timer E reaches T2 by doubling (RFC 4320 4.1)."""
        interval, passed = self.t1, self.t1
        while 2 * interval < self.t2:
            interval *= 2
            passed += interval
        return passed


class _Entry:
    __slots__ = ("arguments", "callback", "due")

    def __init__(
        self, due: float, callback: Callable[..., object], arguments: tuple[Any, ...]
    ) -> None:
        self.due = due
        self.callback: Callable[..., object] | None = callback
        self.arguments = arguments

    def cancel(self) -> None:
        self.callback = None
        self.arguments = ()


class _Lane(deque[_Entry]):
    """The timers of one length; it is swept when it holds ``sweep_size`` entries."""

    __slots__ = ("sweep_size",)

    def __init__(self) -> None:
        super().__init__()
        self.sweep_size = MIN_SWEEP_SIZE

    def sweep(self) -> None:
        """Remove cancelled timers: most are, and entries of timer C would stay for minutes."""
        alive = [entry for entry in self if entry.callback is not None]
        self.clear()
        self.extend(alive)
        self.sweep_size = max(MIN_SWEEP_SIZE, 2 * len(alive))


class LaneClock:
    """A ``Clock`` for delays of few different lengths, at a third of a heap's cost.

    A lane holds at most ``MIN_SWEEP_SIZE`` entries, or twice as many as were alive at the last
    sweep, so that sweeps stay O(1) per timer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lanes: dict[float, _Lane] = {}
        self.time = clock.time

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> _Entry:
        """Call ``callback(*args)`` after ``delay`` seconds."""
        lane = self._lanes.get(delay)
        if lane is None:
            lane = self._lanes[delay] = _Lane()
            self._clock.call_later(delay, self._due, delay, lane)
        elif len(lane) >= lane.sweep_size:
            lane.sweep()
        entry = _Entry(self.time() + delay, callback, args)
        lane.append(entry)
        return entry

    def _due(self, delay: float, lane: _Lane) -> None:
        """Call the callbacks that are due, and wait for the next entry that was not cancelled.

        The lane goes on even if a callback raises: the other timers depend on it.
        """
        now = self.time()
        try:
            while lane and (lane[0].callback is None or lane[0].due <= now):
                entry = lane.popleft()
                callback, arguments = entry.callback, entry.arguments
                entry.cancel()  # what it refers to can be freed, though its owner keeps the entry
                if callback is not None:
                    callback(*arguments)
        finally:
            if lane:
                self._clock.call_later(max(lane[0].due - now, 0.0), self._due, delay, lane)
            else:
                del self._lanes[delay]
