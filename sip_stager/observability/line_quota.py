"""How many lines strangers can have written."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LINES_A_SECOND = 5
"""Of each cause that strangers can bring about; enough to see what goes on."""


class LineQuota:
    """Lets through so many lines of each kind in a second, and counts the rest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}

    def take(self, name: str, cause: str) -> dict[str, int] | None:
        """Give the field that tells how many were held back before; None holds this one back."""
        now = int(self._clock())
        second, count = self._counts.get((name, cause), (now, 0))
        if second != now:
            self._counts[name, cause] = now, 1
            return {"held_back": count - LINES_A_SECOND} if count > LINES_A_SECOND else {}
        self._counts[name, cause] = now, count + 1
        return {} if count < LINES_A_SECOND else None
