"""Fair scheduling of TCP reads: per host, not per connection.

The event loop serves every readable socket in each of its turns.  A host with hundreds of busy
connections would thereby delay timers, datagrams and all other hosts.  So two rules hold for the
messages of all TCP connections together:

1. In one turn of the loop at most ``MAX_TURN_BYTES`` are taken.  A connection that finds the turn
   used up, or others waiting, stops reading and waits.
2. Waiting hosts are served round robin, and the connections of a host FIFO among themselves.  A
   host with one connection waits for each other host once, however many connections that has.

      hosts, round robin      connections of each, FIFO

      192.0.2.1               [take] [take] [take] [take]
      192.0.2.9               [take]
      198.51.100.7            [take] [take]

A turn starts with the first host; a host that has more goes to the end.  Everything that waits is
called at most once per turn, so a connection that waits again at once does not hold the loop.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

MAX_TURN_BYTES = 65536  # of messages that all hosts take in one turn; each byte costs up to 50 ns
MIN_MESSAGE_COST = 1024  # bytes that a message counts for, however small: parsing has a fixed cost


class Turns:
    """The turns of the event loop, shared among hosts and their connections."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()
        self._left = MAX_TURN_BYTES
        self._scheduled = False

    @property
    def free(self) -> bool:
        """True if messages may be taken now: the turn has bytes left, and nobody waits."""
        return self._left > 0 and not self._waiting

    def spend(self, size: int) -> None:
        """Count bytes that were taken in this turn."""
        self._left -= size
        self._schedule_next()

    def wait(self, host: str, take: Callable[[], None]) -> None:
        """Call ``take`` once it is the host's turn, after what the host has waiting already."""
        self._waiting.setdefault(host, deque()).append(take)
        self._schedule_next()

    def _schedule_next(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        """Run a turn: call what waits now, round robin, until the turn's bytes are used up."""
        self._scheduled = False
        self._left = MAX_TURN_BYTES
        try:
            for _ in range(sum(map(len, self._waiting.values()))):
                if self._left <= 0:
                    break
                self._next()()
        finally:  # a `take` that raises must not leave the others waiting for ever
            if self._waiting:
                self._schedule_next()

    def _next(self) -> Callable[[], None]:
        """Return the oldest ``take`` of the first host, and move the host to the end."""
        host, takes = self._waiting.popitem(last=False)
        take = takes.popleft()
        if takes:  # a host without any is forgotten, so that strangers leave nothing behind
            self._waiting[host] = takes
        return take
