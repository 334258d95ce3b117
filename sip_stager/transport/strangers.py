"""The datagrams of strangers: set aside before they are parsed, within a budget.

A stranger's address is in no trunk's networks and no upstream's, and no request was sent to it: the
parties of calls are no strangers.  Reading a datagram costs a hundredth of handling it, so a burst
of thousands is read at once, and only what the budget admits is handled, when nothing of a peer
waits:

    socket --- a peer's ------------------------------------------> receive
        |
        '----- a stranger's ---> budget ---> FIFO queue --- idle --> receive
                                   |
                                   '--> dropped, counted, reported once a second

The budget is a number of datagrams per second, in all and per source.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sip_stager.model.vocabulary import DropCause
from sip_stager.transport.connections import source_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sip_stager.config import Limits
    from sip_stager.model.flow import Flow
    from sip_stager.transport.types import Peers

MAX_WAITING = 512
"""Datagrams of strangers that wait at one listener."""
MAX_BATCH = 8
"""Datagrams of strangers handled in one turn of the loop; at 200 us each they take 2 ms."""
MAX_PARTIES = 8192
"""Hosts that requests were sent to and that are remembered; the first is forgotten."""
WINDOW = 1.0
"""Seconds that a budget is for, and between two reports of what was dropped."""


class StrangerBudget:
    """Decides whose datagrams are set aside, and which of those are handled; for all listeners."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        peers: Peers,
        dropped: Callable[[Flow, DropCause, str, int], None],
    ) -> None:
        self._loop = loop
        self._report_drop = dropped
        self.adopt(limits, peers)
        self.parties: dict[str, None] = {}
        """Hosts that requests were sent to, the first of them first."""
        self._began_at = float("-inf")
        self._taken = 0
        self._per_source: dict[str, int] = {}
        self._dropped = 0
        self._last: Flow | None = None

    def adopt(self, limits: Limits, peers: Peers) -> None:
        """Use these limits and peers from now on."""
        self._limit = limits.datagrams_of_strangers
        self._limit_per_source = limits.datagrams_per_source
        self._is_peer = peers.is_peer
        self.is_configured = peers.is_configured

    def is_stranger(self, host: str) -> bool:
        """Return True unless a host that is not in the settings is a peer all the same."""
        return host not in self.parties and not self._is_peer(host)

    def add_party(self, host: str) -> None:
        """Remember a host that a request is sent to."""
        if len(self.parties) >= MAX_PARTIES:
            del self.parties[next(iter(self.parties))]
        self.parties[host] = None

    def admit(self, flow: Flow) -> bool:
        """Return True if a stranger's datagram is within the budget; else count it as dropped."""
        now = self._loop.time()
        if now - self._began_at >= WINDOW:
            self._began_at, self._taken = now, 0
            self._per_source.clear()
        source = source_of(flow.host)
        count = self._per_source.get(source, 0)
        if self._taken >= self._limit or count >= self._limit_per_source:
            self.drop(flow)
            return False
        self._taken += 1
        self._per_source[source] = count + 1
        return True

    def drop(self, flow: Flow) -> None:
        """Count a datagram that is dropped; they are reported together, as they come in floods."""
        if not self._dropped:
            self._loop.call_later(WINDOW, self._report)
        self._dropped += 1
        self._last = flow

    def _report(self) -> None:
        count, self._dropped = self._dropped, 0
        if self._last is not None:
            words = f"strangers sent {count} more than their budget within a second"
            self._report_drop(self._last, DropCause.STRANGER, words, count)


class StrangerQueue:
    """The datagrams of strangers that wait at one listener.

    ``read_peers`` reads on in the socket; it returns True once nothing waits there.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        budget: StrangerBudget,
        receive: Callable[[bytes, Flow, float], None],
        read_peers: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._budget = budget
        self._receive = receive
        self._read_peers = read_peers
        self._waiting: deque[tuple[bytes, Flow, float]] = deque()
        self._scheduled = False
        self._closed = False

    def add(self, data: bytes, flow: Flow) -> None:
        """Set a stranger's datagram aside, or drop it."""
        if len(self._waiting) >= MAX_WAITING:
            self._budget.drop(flow)
        elif self._budget.admit(flow):
            self._waiting.append((data, flow, self._loop.time()))
            self._schedule()

    def close(self) -> None:
        """Forget what waits."""
        self._closed = True
        self._waiting.clear()

    def _schedule(self) -> None:
        if not self._scheduled and not self._closed:
            self._scheduled = True
            self._loop.call_soon(self._handle_batch)

    def _handle_batch(self) -> None:
        """Handle some datagrams if no peer's waits; the rest has to wait for another turn."""
        self._scheduled = False
        if self._closed:
            return
        if self._read_peers():
            for _ in range(min(MAX_BATCH, len(self._waiting))):
                data, flow, since = self._waiting.popleft()
                self._receive(data, flow, self._loop.time() - since)
        if self._waiting:
            self._schedule()
