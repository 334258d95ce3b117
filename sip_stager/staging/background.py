"""Work that no call waits for: few at a time, in a line that has an end, and let go at the stop."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Work = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class BackgroundQueue:
    """Does what it is given, ``at_once`` at a time; at most ``waiting`` wait for their turn."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._at_once = at_once
        self._waiting = waiting
        self._line: deque[Work] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many are under way or wait."""
        return len(self._workers) + len(self._line)

    def begin(self, work: Work) -> bool:
        """Take on some work; False leaves it out, for there is no room."""
        if len(self._line) >= self._waiting:
            return False
        self._line.append(work)
        if len(self._workers) < self._at_once:
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return True

    async def stop(self, patience: float = 0.0) -> int:
        """Go on for so many seconds at most, and give how many were left; no more is taken on."""
        if self._workers and patience:
            await asyncio.wait(self._workers, timeout=patience)
        left, self._waiting = len(self), 0
        self._line.clear()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        return left

    async def _work(self) -> None:
        while self._line:
            work = self._line.popleft()
            try:
                await work()
            except Exception:  # a mistake of our own costs no more than this work
                log.exception("work_off_path_failed")
