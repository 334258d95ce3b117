"""The bounded set of TCP connections that one side opened."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.transport.stream import TcpConnection


class Connections:
    """Connections by their number, counted by the host at the other end.

    ``limit`` bounds all of them, ``limit_per_host`` those with one host.  When the set is full, the
    host with the most connections gives one up for a host that has fewer: strangers who fill
    the set do not keep a trunk out.
    """

    def __init__(self, limit: int, limit_per_host: int) -> None:
        self._limit = limit
        self._limit_per_host = limit_per_host
        self._by_number: dict[int, TcpConnection] = {}
        self._per_host: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[TcpConnection]:
        return iter(list(self._by_number.values()))  # a copy: closing one discards it

    def get(self, number: int) -> TcpConnection | None:
        """Return the connection with that number, or None."""
        return self._by_number.get(number)

    def add(self, connection: TcpConnection) -> bool:
        """Add a connection; return False if a limit is reached."""
        host = connection.flow.host
        if self._per_host[host] >= self._limit_per_host:
            return False
        if len(self) >= self._limit and not self._make_room(self._per_host[host]):
            return False
        self._by_number[connection.flow.connection] = connection
        self._per_host[host] += 1
        return True

    def discard(self, connection: TcpConnection) -> None:
        """Remove a connection; harmless if it was not added."""
        if self._by_number.pop(connection.flow.connection, None) is not None:
            self._per_host -= Counter((connection.flow.host,))  # drops a count of 0

    def _make_room(self, count: int) -> bool:
        """Cut the longest unused connection of the host with the most connections.

        Return False if no host has more than ``count``: one stranger does not displace another.
        """

        def rank(connection: TcpConnection) -> tuple[int, float]:
            return -self._per_host[connection.flow.host], connection.used

        # One that is being opened cannot be cut: its messages wait for it.
        first = min((one for one in self if one.is_open), key=rank, default=None)
        if first is None or self._per_host[first.flow.host] <= count:
            return False
        self.discard(first)
        first.give_way()
        return True
