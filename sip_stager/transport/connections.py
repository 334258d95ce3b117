"""The TCP connections that one side opened, as many as are allowed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.transport.stream import Connection


class Connections:
    """Connections by their number, counted by the address at their other end.

    ``most`` bounds all of them, ``most_per_address`` those with one address.
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
        if len(self) >= self._most or self._per_address[host] >= self._most_per_address:
            return False
        self._by_number[connection.flow.connection] = connection
        self._per_address[host] += 1
        return True

    def discard(self, connection: Connection) -> None:
        """Forget a connection; harmless when it was not kept."""
        if self._by_number.pop(connection.flow.connection, None) is not None:
            self._per_address -= Counter((connection.flow.host,))
