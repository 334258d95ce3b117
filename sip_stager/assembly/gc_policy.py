"""When Python looks for garbage cycles: while nothing goes on, and else but once an hour."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Cancellable, Clock

INTERVAL = 60.0
"""Seconds between two looks whether the program is idle."""
AT_LEAST = 3600.0
"""Seconds after which it is collected all the same, lest a cycle that should not be there leaks."""


class IdleCollector:
    """Takes the garbage collector over, from ``start`` to ``stop``.

    A call leaves no cycles behind.  To look for them at 1,000 calls per second would stop the loop
    for up to 25 ms each time, and a full collection for 160 ms.
    """

    def __init__(self, clock: Clock, idle: Callable[[], bool]) -> None:
        self._clock = clock
        self._idle = idle
        self._timer: Cancellable | None = None
        self._collected = 0.0

    def start(self) -> None:
        """Set aside what lives for ever, and collect from now on only while ``idle`` says so."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self._collected = self._clock.time()
        self._look()

    def stop(self) -> None:
        """Leave it as Python has it; harmless when it was not started."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            gc.unfreeze()
            gc.enable()

    def _look(self) -> None:
        now = self._clock.time()
        if self._idle() or now - self._collected >= AT_LEAST:
            gc.collect()
            self._collected = now
        self._timer = self._clock.call_later(INTERVAL, self._look)
