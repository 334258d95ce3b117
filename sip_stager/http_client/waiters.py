"""A FIFO queue of waiting coroutines."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_BATCH = 16  # waiters rejected in a turn of the loop; each then writes a response, 0.5 ms of work

_Queue = OrderedDict[asyncio.Future[bool], None]


class Waiters:
    """A FIFO queue of waiters that can be woken one by one or rejected all at once."""

    def __init__(self) -> None:
        self._queue: _Queue = OrderedDict()

    def __len__(self) -> int:
        return len(self._queue)

    async def wait(self, missed: Callable[[], object] | None = None) -> bool:
        """Wait in the queue; return True if woken, False if rejected.

        ``missed`` is called if the waiter was woken and cancelled in the same turn of the loop: it
        cannot use what it was woken for, so the next one must be.
        """
        queue = self._queue
        woken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        queue[woken] = None
        try:
            return await woken
        except asyncio.CancelledError:
            if missed and not woken.cancelled() and woken.result():
                missed()
            raise
        finally:
            queue.pop(woken, None)

    def wake_first(self) -> bool:
        """Wake the first waiter; return False if there is none."""
        while self._queue:
            woken, _ = self._queue.popitem(last=False)
            if not woken.done():  # a cancelled waiter stays in the queue until its task runs
                woken.set_result(True)
                return True
        return False

    def take_over(self, others: Waiters) -> None:
        """Take the waiters of another queue over, behind those of this one."""
        self._queue.update(others._queue)
        # A cancelled waiter leaves the queue that it joined, not this one: it is skipped here.
        others._queue.clear()

    def reject_all(self) -> None:
        """Reject all waiters, in batches: thousands at once would block the loop."""
        rejected, self._queue = self._queue, OrderedDict()
        _reject(rejected)


def _reject(rejected: _Queue) -> None:
    for _ in range(min(_BATCH, len(rejected))):
        woken, _ = rejected.popitem(last=False)
        if not woken.done():
            woken.set_result(False)
    if rejected:
        asyncio.get_running_loop().call_soon(_reject, rejected)
