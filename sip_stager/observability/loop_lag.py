"""The lag of the event loop: whatever holds the loop up holds up every call."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Cancellable, Clock

INTERVAL = 0.1  # seconds between measurements: ten a second cost 0.01 % of a core
MAX_RECENT = 600  # measurements that ``worst`` sees: a minute, so that no scrape misses a pause


class LoopLag:
    """Measures how late a timer is called, again and again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=MAX_RECENT)
        self._timer: Cancellable | None = None

    def start(self, observe: Callable[[float], None]) -> None:
        """Measure from now on; ``observe`` is called with each lag in seconds."""
        due = self._clock.time() + INTERVAL
        self._timer = self._clock.call_later(INTERVAL, self._measure, due, observe)

    def stop(self) -> None:
        """Stop measuring; harmless if it was not started."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def worst(self) -> float:
        """Return the worst lag of the last minute, in seconds."""
        return max(self._recent, default=0.0)

    def _measure(self, due: float, observe: Callable[[float], None]) -> None:
        lag = max(0.0, self._clock.time() - due)  # a loop may call a timer a little early
        self._recent.append(lag)
        observe(lag)
        self.start(observe)
