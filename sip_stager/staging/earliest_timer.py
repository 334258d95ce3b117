"""One timer of the event loop for the earliest of very many times.

A timer of the loop takes half a kilobyte, so ten thousand calls held would take megabytes for the
timers alone.  Whoever has many times keeps them in a heap, and has one timer for its top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

CLOCK_STEP = 0.001
"""Seconds; uvloop's clock has such steps, so that a timer may fire that much too early."""


class EarliestTimer:
    """A timer that calls ``fire`` at the time that was set, a time of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fire: Callable[[], None]) -> None:
        self._loop = loop
        self._fire = fire
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0

    @property
    def is_set(self) -> bool:
        """True while it is going to fire."""
        return self._handle is not None

    def set(self, due: float | None) -> None:
        """Fire at ``due`` or earlier; None cancels."""
        if self._handle is not None:
            # An earlier time stays: to fire once in vain is cheaper than another timer each time.
            if due is not None and self._due <= due:
                return
            self._handle.cancel()
            self._handle = None
        if due is not None:
            self._due = due
            self._handle = self._loop.call_at(due, self._run)

    def _run(self) -> None:
        self._handle = None
        self._fire()
