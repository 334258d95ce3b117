"""A priority queue from which items can be removed before their turn; pure.

Python's heap cannot remove an item from its middle.  So an item says itself when it is over
(``waiting`` is False then), and stays in the heap as a dead entry until it comes to the top, or
until more than half of the entries are dead: they are then swept out, which costs O(1) per item.
So a heap holds at most twice as many entries as live items, and none once no item lives.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """An item of a heap; ``waiting`` becomes False once, when it is over."""

    waiting: bool


W = TypeVar("W", bound=Waiting)


class LazyHeap(Generic[W]):
    """A priority queue, the lowest key first and first in, first out within a key."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, W]] = []
        self._order = count()
        self._dead = 0

    def __len__(self) -> int:
        return len(self._entries) - self._dead

    @property
    def entries(self) -> int:
        """How many entries the heap holds, the dead ones included."""
        return len(self._entries)

    def push(self, key: float, item: W) -> None:
        """Add an item."""
        heappush(self._entries, (key, next(self._order), item))

    def first_key(self) -> float | None:
        """Return the key of the first item, None if there is none."""
        entries = self._entries
        while entries and not entries[0][2].waiting:
            heappop(entries)
            self._dead -= 1
        return entries[0][0] if entries else None

    def pop(self) -> W:
        """Remove the first item and return it; an ``IndexError`` if there is none."""
        self.first_key()
        item = heappop(self._entries)[2]
        self._sweep()
        return item

    def count_dead(self) -> None:
        """Account for an item in this heap that has just stopped waiting."""
        self._dead += 1
        self._sweep()

    def _sweep(self) -> None:
        """Drop the dead entries once they are more than half."""
        if 2 * self._dead > len(self._entries):
            self._entries = [entry for entry in self._entries if entry[2].waiting]
            heapify(self._entries)
            self._dead = 0
