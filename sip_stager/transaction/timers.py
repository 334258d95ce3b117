"""Time for transactions: the RFC's values, and a clock made for very many equal timers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Clock


MIN_SWEEP_SIZE = 1000
"""Timers of one length that are not worth a sweep."""


@dataclass(frozen=True, slots=True)
class Timers:
    """RFC 3261 table 4, in seconds."""

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
        """Timer D: how long a peer may repeat a refusal, whose T1 is not known (17.1.1.2)."""
        return max(self.b, 32.0)

    @property
    def e_reaches_t2(self) -> float:
        """How long a client's Timer E takes to be reset to T2 (RFC 4320 4.1)."""
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
    """Timers of one length; ``sweep_size`` is how many it may hold before it is swept."""

    __slots__ = ("sweep_size",)

    def __init__(self) -> None:
        super().__init__()
        self.sweep_size = MIN_SWEEP_SIZE

    def sweep(self) -> None:
        """Let go what was cancelled: most timers are, and a long one would stay for minutes."""
        alive = [entry for entry in self if entry.callback is not None]
        self.clear()
        self.extend(alive)
        self.sweep_size = max(MIN_SWEEP_SIZE, 2 * len(alive))


class LaneClock:
    """A ``Clock`` for delays of few different lengths.

    Timers of one length end in the order in which they began, so each length is a FIFO lane with
    one timer of the real clock at its head: a third of the cost of a heap.  A lane holds at most
    ``MIN_SWEEP_SIZE`` timers, or twice as many as were alive at the last sweep.
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
        """End what is due, and wait for the next that was not cancelled."""
        now = self.time()
        try:
            while lane and (lane[0].callback is None or lane[0].due <= now):
                entry = lane.popleft()
                callback, arguments = entry.callback, entry.arguments
                entry.cancel()
                if callback is not None:
                    callback(*arguments)
        finally:
            if lane:
                self._clock.call_later(max(lane[0].due - now, 0.0), self._due, delay, lane)
            else:
                del self._lanes[delay]
