"""A priority semaphore: it decides which request may use a connection next."""

from __future__ import annotations

from enum import IntEnum

from sip_stager.http_client.waiters import Waiters


class Priority(IntEnum):
    """The order of requests that wait for a connection; the lowest number goes first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class Slots:
    """A priority semaphore with ``limit`` slots, FIFO within a priority.

    A released slot goes straight to the first waiter, so that no request that comes later can
    overtake it.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._free = limit
        self._waiters = tuple(Waiters() for _ in Priority)

    @property
    def taken(self) -> int:
        """The number of slots in use."""
        return self.limit - self._free

    @property
    def waiting(self) -> int:
        """The number of waiters, of all priorities."""
        return sum(map(len, self._waiters))

    def take(self) -> bool:
        """Take a slot; return False if none is free."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self, priority: Priority) -> bool:
        """Wait for a slot; return False if the waiter was rejected."""
        return await self._waiters[priority].wait(missed=self.release)

    def release(self) -> None:
        """Pass a slot on to the first waiter of the highest priority, or free it."""
        for waiters in self._waiters:
            if waiters.wake_first():
                return
        self._free += 1

    def reject(self, priority: Priority) -> None:
        """Reject all waiters of a priority."""
        self._waiters[priority].reject_all()
