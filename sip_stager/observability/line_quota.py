"""A limit on the log lines that strangers can cause."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINES_PER_SECOND = 5
"""Lines of each event and cause; enough to see what goes on."""


class LineQuota:
    """Admits a number of lines of each kind per second, and counts those that it suppresses.

    A kind is an event and its cause, both words of our own, so the store stays small.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}  # the second, and its lines

    def admit(self, event: str, cause: str) -> dict[str, int] | None:
        """Return the fields to add to a line, or None if the line is suppressed.

        The first line after a suppression has the field ``suppressed_lines``.
        """
        now = int(self._clock())
        second, count = self._counts.get((event, cause), (now, 0))
        if second != now:
            self._counts[event, cause] = now, 1
            suppressed = count - MAX_LINES_PER_SECOND
            return {"suppressed_lines": suppressed} if suppressed > 0 else {}
        self._counts[event, cause] = now, count + 1
        return {} if count < MAX_LINES_PER_SECOND else None
