"""Time for transactions: the RFC's values, and a clock made for very many equal timers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Clock


@dataclass(frozen=True, slots=True)
class Timers:
    """RFC 3261 table 4, in seconds."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    c: float = 181.0

    @property
    def patience(self) -> float:
        """64*T1: timers B, F, H, J, L and M."""
        return 64 * self.t1

    @property
    def d(self) -> float:
        """Timer D: how long a peer may repeat a refusal, whose T1 is not known (17.1.1.2)."""
        return max(self.patience, 32.0)

    @property
    def until_t2(self) -> float:
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


class LaneClock:
    """A ``Clock`` for delays of few different lengths.

    Timers of one length end in the order in which they began, so each length is a first-in
    first-out lane with one timer of the real clock at its head: a third of the cost of a heap.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lanes: dict[float, deque[_Entry]] = {}
        self.time = clock.time

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> _Entry:
        """Call ``callback(*args)`` after ``delay`` seconds."""
        lane = self._lanes.get(delay)
        if lane is None:
            lane = self._lanes[delay] = deque()
        entry = _Entry(self.time() + delay, callback, args)
        lane.append(entry)
        if len(lane) == 1:
            self._clock.call_later(delay, self._due, delay, lane)
        return entry

    def _due(self, delay: float, lane: deque[_Entry]) -> None:
        """End what is due, and wait for the next that was not cancelled."""
        now = self.time()
        try:
            while lane and (lane[0].callback is None or lane[0].due <= now):
                callback, arguments = lane[0].callback, lane[0].arguments
                lane[0].cancel()
                if callback is not None:
                    callback(*arguments)
                lane.popleft()
        finally:
            if lane:
                self._clock.call_later(max(lane[0].due - now, 0.0), self._due, delay, lane)
            else:
                del self._lanes[delay]
