"""The turns of the loop, shared among all peers."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

IN_A_TURN = 65536
"""Bytes of messages that all hosts together may take in one turn; each costs up to 50 ns."""
LEAST = 1024
"""Bytes that a message counts for, however small it is."""


class Turns:
    """Lets hosts take their messages one after another, and each host's connections likewise.

    A host may have many connections.  Were each of them served in every turn of the loop, timers
    and datagrams would wait for all of them; were they served in a single line, so would a host
    that has one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()
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

    def wait(self, host: str, take: Callable[[], None]) -> None:
        """Call ``take`` when it is the host's turn, and those of it that came before have taken."""
        self._waiting.setdefault(host, deque()).append(take)
        self._await_next()

    def _await_next(self) -> None:
        if not self._awaited:
            self._awaited = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._awaited = False
        self._left = IN_A_TURN
        try:
            for _ in range(sum(map(len, self._waiting.values()))):
                if self._left <= 0:
                    break
                self._first()()
        finally:  # one that raises holds up nobody who waits
            if self._waiting:
                self._await_next()

    def _first(self) -> Callable[[], None]:
        """Give what the first host has to take first, and put the host at the end."""
        host, takes = self._waiting.popitem(last=False)
        take = takes.popleft()
        if takes:
            self._waiting[host] = takes
        return take
