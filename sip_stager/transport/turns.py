"""The turns of the loop, shared among all connections."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

IN_A_TURN = 65536
"""Bytes of messages that all connections together may take in one turn; each costs up to 50 ns."""
LEAST = 1024
"""Bytes that a message counts for, however small it is."""


class Turns:
    """Lets connections take their messages one after another.

    A peer may have many connections, and were each of them served in every turn of the loop, timers
    and datagrams would wait for all of them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()
        self._left = IN_A_TURN
        self._awaited = False

    @property
    def free(self) -> bool:
        """Whether more may be taken now, ahead of nobody who waits."""
        return self._left > 0 and not self._waiting

    def spend(self, size: int) -> None:
        """Note bytes that were taken in this turn."""
        self._left -= size
        self._await_next()

    def wait(self, take: Callable[[], None]) -> None:
        """Call ``take`` when those who have waited longer have taken."""
        self._waiting.append(take)
        self._await_next()

    def _await_next(self) -> None:
        if not self._awaited:
            self._awaited = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._awaited = False
        self._left = IN_A_TURN
        for _ in range(len(self._waiting)):
            if self._left <= 0:
                break
            self._waiting.popleft()()
        if self._waiting:
            self._await_next()
