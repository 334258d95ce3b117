"""A semaphore with priorities and fair shares: it decides which request uses a connection next.

Released slots go by priority, and within one to the share whose turn it is (``fair_queue.py``):

    turn     1     2     3     4        5     6     7     8
    goes   high  high  high  normal   high  high  high  normal  ...  then low

Every fourth slot is for the normal priority, as long as both wait: requests of high priority are
polls of earlier requests, and an API that answers them slowly would else let no new one begin.

Requests that take long hold their slots for long.  So no group takes all of them: it may hold
``GROUP_SHARE`` times as many as are free, and a tenant ``TENANT_SHARE`` times (a dynamic
threshold, as for the buffers of a switch).  The rest is there at once for a group that holds few.
A group that is alone may have all.
"""

from __future__ import annotations

from enum import IntEnum
from functools import partial

from sip_stager.http_client.fair_queue import FairQueue, Share, SlotsHeld

GROUP_SHARE = 9
"""Alone in a crowd a group has nine tenths of the slots, and a tenth is free."""
TENANT_SHARE = 19
"""A tenant of many groups has nineteen twentieths."""
NORMAL_TURN = 4
"""One of so many slots is for the normal priority before the high one."""
_NO_SHARE = Share()


class Priority(IntEnum):
    """The order of requests that wait for a connection; the lowest number goes first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class Slots:
    """A semaphore with ``limit`` slots, fair between shares within a priority.

    A released slot goes straight to a waiter, so that no request that comes later can overtake it.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._free = limit
        self._held = SlotsHeld()
        self._queues = tuple(FairQueue(self._held) for _ in Priority)
        self._turns = 0
        self._queued = 0  # waiters, those that were just woken included
        self._first: Share | None = None  # the share that was seen first
        self._several = False  # another one was seen as well

    @property
    def taken(self) -> int:
        """The number of slots in use."""
        return self.limit - self._free

    @property
    def waiting(self) -> int:
        """The number of waiters, of all priorities."""
        return sum(map(len, self._queues))

    def take(self, share: Share = _NO_SHARE) -> bool:
        """Take a slot for a share; return False if none is free."""
        if share != self._first:
            self._see(share)
        if not self._may_take(share):
            return False
        self._free -= 1
        self._count(share, 1)
        return True

    async def wait(self, priority: Priority, share: Share = _NO_SHARE) -> bool:
        """Wait for a slot; return False if the waiter was rejected."""
        queue = self._queues[priority]
        waiters = queue.join(share)
        self._queued += 1
        try:
            return await waiters.wait(missed=partial(self.release, share))
        finally:
            self._queued -= 1
            queue.leave(share, waiters)

    def release(self, share: Share = _NO_SHARE) -> None:
        """Pass a share's slot on to the waiter whose turn it is, or free it."""
        self._count(share, -1)
        self._free += 1
        # One more that is free may let several waiters through.
        while self._queued and self._free and self._pass_on():
            self._free -= 1

    def reject(self, priority: Priority, group: str | None = None) -> None:
        """Reject all waiters of a priority, or those of a group."""
        self._queues[priority].take_all(group).reject_all()

    def _see(self, share: Share) -> None:
        if self._first is None:
            self._first = share
        else:
            self._several = True

    def _may_take(self, share: Share) -> bool:
        free, held = self._free, self._held
        if not self._several or not free:
            return free > 0
        return (
            held.by_share.get(share, 0) < GROUP_SHARE * free
            and held.by_tenant.get(share.tenant, 0) < TENANT_SHARE * free
        )

    def _pass_on(self) -> bool:
        """Pass a free slot on to the waiter whose turn it is; return False if there is none."""
        for queue in self._order():
            if queue and (woken := queue.wake_first(self._may_take)) is not None:
                self._count(woken, 1)
                return True
        return False

    def _order(self) -> tuple[FairQueue, ...]:
        """Return the queues in the order in which the next slot is offered to them."""
        high, normal, low = self._queues
        if high and normal:
            self._turns += 1
            if self._turns % NORMAL_TURN == 0:
                return normal, high, low
        return self._queues

    def _count(self, share: Share, step: int) -> None:
        self._held.add(share, step)
        if self._queued:
            for queue in self._queues:
                if queue:
                    queue.update(share)
