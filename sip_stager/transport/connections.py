"""The bounded set of TCP connections that one side opened.

A peer is an address of a trunk or an upstream, anybody else is a stranger.  Strangers share a small
pool within the set, so that they take nothing from peers:

    newcomer of     finds room while              else one gives way
    ------------    --------------------------    --------------------------------------------------
    a peer          the set is not full           a stranger's; if there is none, a peer's
    a stranger      neither the pool nor the      one of the source that has more than any other,
                    set is full                   if it has more than the newcomer's

Of those that may give way the one that is idle longest does.  One that a live transaction needs, or
that was opened seconds ago, does so last: it is about to be used.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from sip_stager.transport.stream import TcpConnection
    from sip_stager.transport.types import Peers

NEW_FOR = 5.0
"""Seconds in which a connection counts as new: its first message may be on the way."""
LIVE_INTERVAL = 1.0
"""Seconds between two looks at the live transactions, of which there may be many thousands.  One
that began since then has used its connection, which is therefore idle for less than others."""


class Connections:
    """Connections by their number, counted by the source at the other end.

    ``limit`` bounds all of them, ``strangers_limit`` those of strangers, ``limit_per_source`` those
    of one stranger's address.  ``live`` returns what live transactions need: numbers of
    connections, and addresses with ports.
    """

    def __init__(
        self,
        limit: int,
        strangers_limit: int,
        limit_per_source: int,
        peers: Peers,
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self.adopt(limit, strangers_limit, limit_per_source, peers)
        self.live: Callable[[], Container[int | tuple[str, int]]] = tuple
        self._needed: Container[int | tuple[str, int]] = ()
        self._looked_at = float("-inf")
        self._by_number: dict[int, TcpConnection] = {}
        self._per_stranger: Counter[str] = Counter()
        self._source_of: dict[int, str] = {}  # of strangers' connections, by number

    def adopt(self, limit: int, strangers_limit: int, limit_per_source: int, peers: Peers) -> None:
        """Use these limits and peers for further connections."""
        self._limit = limit
        self._strangers_limit = min(limit, strangers_limit)
        self._limit_per_source = limit_per_source
        self._peers = peers

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[TcpConnection]:
        return iter(list(self._by_number.values()))  # a copy: closing one discards it

    def get(self, number: int) -> TcpConnection | None:
        """Return the connection with that number, or None."""
        return self._by_number.get(number)

    def add(self, connection: TcpConnection) -> bool:
        """Add a connection; return False if a limit is reached."""
        host, number = connection.flow.host, connection.flow.connection
        if not self._peers.is_peer(host):
            source = source_of(host)
            if not self._admit_stranger(source):
                return False
            self._source_of[number] = source
            self._per_stranger[source] += 1
        elif len(self) >= self._limit and not self._make_room_for_peer():
            return False
        self._by_number[number] = connection
        return True

    def discard(self, connection: TcpConnection) -> None:
        """Remove a connection; harmless if it was not added."""
        number = connection.flow.connection
        if self._by_number.pop(number, None) is not None and number in self._source_of:
            self._per_stranger -= Counter((self._source_of.pop(number),))  # drops a count of 0

    def _admit_stranger(self, source: str) -> bool:
        """Return True if there is room for a stranger's connection, or room was made.

        A source gives one up only for a source that has fewer: one stranger does not displace
        another.
        """
        count = self._per_stranger[source]
        if count >= self._limit_per_source:
            return False
        if len(self._source_of) < self._strangers_limit and len(self) < self._limit:
            return True
        largest = max(self._per_stranger.values(), default=0)
        if largest <= count:
            return False
        return self._cut_first(
            self._by_number[number]
            for number, owner in self._source_of.items()
            if self._per_stranger[owner] == largest
        )

    def _make_room_for_peer(self) -> bool:
        """Cut a stranger's connection, else a peer's; return False if none can be cut."""
        strangers = (self._by_number[number] for number in self._source_of)
        return self._cut_first(strangers) or self._cut_first(iter(self))

    def _cut_first(self, candidates: Iterator[TcpConnection]) -> bool:
        """Cut the first connection that gives way; return False if there is none."""
        needed, now = self._needed_by_transactions(), self._clock()

        def rank(connection: TcpConnection) -> tuple[bool, float]:
            flow = connection.flow
            in_use = flow.connection in needed or (flow.host, flow.port) in needed
            return in_use or now - connection.since < NEW_FOR, connection.used

        # One that is being opened cannot be cut: its messages wait for it.
        first = min((one for one in candidates if one.is_open), key=rank, default=None)
        if first is None:
            return False
        self.discard(first)
        first.give_way()
        return True

    def _needed_by_transactions(self) -> Container[int | tuple[str, int]]:
        now = self._clock()
        if now - self._looked_at >= LIVE_INTERVAL:
            self._looked_at, self._needed = now, self.live()
        return self._needed


@lru_cache(maxsize=4096)
def source_of(host: str) -> str:
    """Return the source that an address counts for: itself, or the /64 network of an IPv6 address.

    A /64 is the smallest network that a site gets: one stranger has all of its addresses.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address) or address.ipv4_mapped:
        return host
    return str(ip_network((int(address) >> 64 << 64, 64)))
