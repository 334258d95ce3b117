"""Runs the cyclic garbage collector only while the program is idle, at least hourly.

The collector stops the event loop: at 1,000 calls per second for up to 25 ms each time, and a full
collection for 160 ms.  So it is off, and a law of this code makes up for it:

    Nothing on the path of a call leaves a reference cycle.

Then reference counts free everything that a call has made, at once.  It is the reason for some
code that looks odd: exceptions that are returned as values instead of being raised (a traceback
refers to the frame that holds the exception), callbacks that are set to None at the end, and
``del`` of a local name.  ``tests/http_client/test_reference_cycles.py`` and the soak hold the law.

What breaks it, and the cycles of libraries off a call's path, is collected while no transaction is
alive; and once an hour whatever goes on, so that a leak stays small.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Cancellable, Clock

CHECK_INTERVAL = 60.0  # seconds between looks whether the program is idle
MAX_INTERVAL = 3600.0  # seconds between collections in a program that is never idle


class IdleCollector:
    """Takes the garbage collector over, from ``start`` to ``stop``."""

    def __init__(self, clock: Clock, idle: Callable[[], bool]) -> None:
        self._clock = clock
        self._idle = idle
        self._timer: Cancellable | None = None
        self._collected = 0.0

    def start(self) -> None:
        """Turn the collector off, and collect from now on only while ``idle`` returns true."""
        gc.collect()
        gc.freeze()  # modules and settings live for ever: no collection looks at them again
        gc.disable()
        self._collected = self._clock.time()
        self._check()

    def stop(self) -> None:
        """Restore Python's defaults; harmless if it was not started."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            gc.unfreeze()
            gc.enable()

    def _check(self) -> None:
        now = self._clock.time()
        if self._idle() or now - self._collected >= MAX_INTERVAL:
            gc.collect()
            self._collected = now
        self._timer = self._clock.call_later(CHECK_INTERVAL, self._check)
