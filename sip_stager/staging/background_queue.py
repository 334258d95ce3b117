"""A queue of work that no call waits for: few items at a time, bounded, dropped at the stop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Work = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


class BackgroundQueue:
    """A FIFO queue with up to ``workers`` workers and room for ``max_queued`` items."""

    def __init__(self, workers: int, max_queued: int) -> None:
        self._max_workers = workers
        self._max_queued = max_queued
        self._queue: deque[Work] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many items are under way or wait."""
        return len(self._workers) + len(self._queue)

    def enqueue(self, work: Work) -> bool:
        """Append an item; return False if the queue is full, or stopped."""
        if len(self._queue) >= self._max_queued:
            return False
        self._queue.append(work)
        # Workers end with the queue and are begun anew: an idle program has none.
        if len(self._workers) < self._max_workers:
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return True

    async def stop(self, grace: float = 0.0) -> int:
        """Go on for at most ``grace`` seconds, and return how many items were dropped."""
        if self._workers and grace:
            await asyncio.wait(self._workers, timeout=grace)
        dropped, self._max_queued = len(self), 0
        self._queue.clear()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        return dropped

    async def _work(self) -> None:
        while self._queue:
            work = self._queue.popleft()
            try:
                await work()
            except Exception:  # our own error costs this item alone, not the worker
                log.exception("background_work_failed")
