"""When Python looks for garbage cycles: while nothing goes on, and never during a call."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Cancellable, Clock

INTERVAL = 60.0
"""Seconds between two looks whether the program is idle."""


class IdleCollector:
    """Takes the garbage collector over, from ``start`` to ``stop``.

    A call leaves no cycles behind.  To look for them at 1,000 calls per second would stop the loop
    for up to 25 ms each time, and a full collection for 160 ms.
    """

    def __init__(self, clock: Clock, idle: Callable[[], bool]) -> None:
        self._clock = clock
        self._idle = idle
        self._timer: Cancellable | None = None

    def start(self) -> None:
        """Set aside what lives for ever, and collect from now on only while ``idle`` says so."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self._look()

    def stop(self) -> None:
        """Leave it as Python has it; harmless when it was not started."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            gc.unfreeze()
            gc.enable()

    def _look(self) -> None:
        if self._idle():
            gc.collect()
        self._timer = self._clock.call_later(INTERVAL, self._look)
