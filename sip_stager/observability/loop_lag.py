"""How late the event loop is: whatever holds it up holds up every call."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Cancellable, Clock

INTERVAL = 0.1
"""Seconds between two measurements: ten a second cost 0.01 % of a core."""

KEPT = 600
"""Measurements that ``worst`` looks back on: a minute, so that no scrape misses a pause."""


class LoopLag:
    """Sets a timer again and again, and takes note how late it is called."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=KEPT)
        self._timer: Cancellable | None = None

    def start(self, observe: Callable[[float], None]) -> None:
        """Measure from now on; ``observe`` takes each lag in seconds."""
        due = self._clock.time() + INTERVAL
        self._timer = self._clock.call_later(INTERVAL, self._called, due, observe)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def worst(self) -> float:
        """Give the worst lag of the last minute, in seconds."""
        return max(self._recent, default=0.0)

    def _called(self, due: float, observe: Callable[[float], None]) -> None:
        lag = max(0.0, self._clock.time() - due)
        self._recent.append(lag)
        observe(lag)
        self.start(observe)
