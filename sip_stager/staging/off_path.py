"""Requests to the API that no call waits for: bounded in number and time, and let go at the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

PATIENCE = 10.0
"""Seconds for one request."""


class OffPath:
    """Runs at most ``most`` at a time; what comes past them is left out."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, work: Awaitable[None]) -> None:
        """Begin, or leave it out."""
        task = asyncio.ensure_future(work)
        if len(self._tasks) >= self._most:
            task.cancel()
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Leave what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
