"""The TCP connections that one side opened, as many as are allowed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.transport.stream import Connection


class Connections:
    """Connections by their number, counted by the address at their other end.

    ``most`` bounds all of them, ``most_per_address`` those with one address.  Where there are as
    many as may be, the address that has most of them gives way to one that has fewer.
    """

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._by_number: dict[int, Connection] = {}
        self._per_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._by_number.values()))

    def get(self, number: int) -> Connection | None:
        """Give the connection with that number."""
        return self._by_number.get(number)

    def add(self, connection: Connection) -> bool:
        """Keep a connection; False when there are too many."""
        host = connection.flow.host
        if self._per_address[host] >= self._most_per_address:
            return False
        if len(self) >= self._most and not self._make_room(self._per_address[host]):
            return False
        self._by_number[connection.flow.connection] = connection
        self._per_address[host] += 1
        return True

    def discard(self, connection: Connection) -> None:
        """Forget a connection; harmless when it was not kept."""
        if self._by_number.pop(connection.flow.connection, None) is not None:
            self._per_address -= Counter((connection.flow.host,))

    def _make_room(self, has: int) -> bool:
        """Close the one used longest ago of the address with most; False where none has more."""

        def spared(connection: Connection) -> tuple[int, float]:
            return -self._per_address[connection.flow.host], connection.used

        first = min((one for one in self if one.is_open), key=spared, default=None)
        if first is None or self._per_address[first.flow.host] <= has:
            return False
        self.discard(first)
        first.give_way()
        return True
