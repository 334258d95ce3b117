"""SIP over TCP: listeners, and the connections that are open (RFC 3261 18.1.1, 18.2.2)."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, deque
from itertools import count
from typing import TYPE_CHECKING

from sip_stager.transport.stream import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Flow
    from sip_stager.transport.edge import Receive

CONNECT_PATIENCE = 5.0
"""Seconds for a connection to open; well below timer B, so that a caller hears of it."""
MOST_ACCEPTED = 1000
"""Connections that peers have opened, at a time; a trunk needs a few."""
MOST_PER_SOURCE = 100
"""The same from one address, so that no stranger takes them all."""
MOST_WAITING = 1000
"""Messages that wait for one connection to open."""


class TcpTransport:
    """Accepts connections and opens them; one open connection to an address is used again.

    Only those that we opened are used for requests: a connection that a peer opened is no proof
    of who listens at the address that it came from (RFC 5923).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        receive: Receive,
        dropped: Callable[[Flow, str, str], None],
    ) -> None:
        self._loop = loop
        self._receive = receive
        self._dropped = dropped
        self._numbers = count(1)
        self._open: dict[int, Connection] = {}
        self._accepted: Counter[str] = Counter()
        self._towards: dict[tuple[str, int, int], Connection] = {}
        self._waiting: dict[tuple[str, int, int], deque[tuple[bytes, Callable[[str], None]]]] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._listeners: list[asyncio.Server] = []

    def __len__(self) -> int:
        return len(self._open)

    async def listen(self, address: tuple[str, int], index: int) -> int:
        """Bind a listener and give its port; raises ``OSError``."""

        def accepted() -> Connection:
            return Connection(next(self._numbers), index, self._receive, self, accepted=True)

        server = await self._loop.create_server(accepted, *address, reuse_address=True)
        self._listeners.append(server)
        return int(server.sockets[0].getsockname()[1])

    def send(self, data: bytes, flow: Flow, failed: Callable[[str], None]) -> None:
        """Send on the flow's connection, else on one towards its address, else on a new one."""
        connection = self._open.get(flow.connection)
        if connection is not None and connection.send(data):
            return
        key = flow.host, flow.port, flow.interface
        connection = self._towards.get(key)
        if connection is not None and connection.send(data):
            return
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = deque([(data, failed)])
            self._begin_to_open(key)
        elif len(waiting) < MOST_WAITING:
            waiting.append((data, failed))
        else:
            self._loop.call_soon(failed, "too many messages wait for the connection")

    def opened(self, connection: Connection) -> None:
        """Keep a connection, or close it when its source or all together have too many."""
        if connection.accepted:
            source = connection.flow.host
            if self._accepted[source] >= MOST_PER_SOURCE or self._accepted.total() >= MOST_ACCEPTED:
                self._dropped(connection.flow, "too_many_connections", "it was closed at once")
                connection.accepted = False
                connection.close()
                return
            self._accepted[source] += 1
        self._open[connection.number] = connection

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.pop(connection.number, None)
        if connection.accepted:
            self._accepted -= Counter({connection.flow.host: 1})
        for key, known in list(self._towards.items()):
            if known is connection:
                del self._towards[key]

    def broken(self, flow: Flow, why: str) -> None:
        """Tell of a peer that does not speak SIP."""
        self._dropped(flow, "malformed", why)

    async def close(self) -> None:
        """Stop listening and close every connection."""
        for server in self._listeners:
            server.close()
        for task in self._opening:
            task.cancel()
        for connection in list(self._open.values()):
            connection.close()
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _begin_to_open(self, key: tuple[str, int, int]) -> None:
        task = self._loop.create_task(self._connect(key))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, key: tuple[str, int, int]) -> None:
        """Open a connection and send what waited for it."""
        host, port, interface = key
        connection = Connection(next(self._numbers), interface, self._receive, self)
        why = ""
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                await self._loop.create_connection(
                    lambda: connection, host, port, flags=socket.AI_NUMERICHOST
                )
            self._towards[key] = connection
        except TimeoutError:
            why = f"no connection within {CONNECT_PATIENCE:g} s"
        except OSError as error:
            why = error.strerror or str(error)
        for data, failed in self._waiting.pop(key, ()):
            if why or not connection.send(data):
                failed(why or "the connection closed")
