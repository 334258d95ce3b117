"""SIP over TCP: listeners, and the connections that are open (RFC 3261 18.1.1, 18.2.2)."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from ipaddress import ip_address
from itertools import count
from typing import TYPE_CHECKING

from sip_stager.model.flow import Flow
from sip_stager.model.vocabulary import DropCause
from sip_stager.transport.connections import Connections
from sip_stager.transport.stream import MOST_UNSENT, Connection
from sip_stager.transport.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.config import Limits
    from sip_stager.transport.types import Lost, Receive

CONNECT_PATIENCE = 2.0
"""Seconds for a connection to open: a large request then goes over UDP (RFC 3261 18.1.1), and
the caller still waits."""


class TcpTransport:
    """Accepts connections and opens them; one open connection to an address is used again.

    Only those that we opened are used for requests: a connection that a peer opened is no proof
    of who listens at the address that it came from (RFC 5923).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        receive: Receive,
        lost: Lost,
        dropped: Callable[[Flow, DropCause, str], None],
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._receive = receive
        self._lost = lost
        self._dropped = dropped
        self._numbers = count(1)
        self._turns = Turns(loop)
        self.accepted = Connections(limits.connections, limits.connections_per_source)
        self.ours = Connections(limits.connections, limits.connections_per_source)
        self._towards: dict[Flow, Connection] = {}
        self._waiting: dict[Flow, _Waiting] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._listeners: list[asyncio.Server] = []
        self._local: dict[int, tuple[str, int] | None] = {}

    async def listen(self, address: tuple[str, int], index: int) -> int:
        """Bind a listener and give its port; raises ``OSError``."""

        def accepted() -> Connection:
            flow = Flow("TCP", "", 0, index, next(self._numbers))
            return Connection(flow, self._receive, self, self._limits, self._turns, accepted=True)

        server = await self._loop.create_server(accepted, *address, reuse_address=True)
        self._listeners.append(server)
        self._local[index] = None if ip_address(address[0]).is_unspecified else (address[0], 0)
        return int(server.sockets[0].getsockname()[1])

    def send(self, data: bytes, flow: Flow, failed: Callable[[str], None]) -> None:
        """Send on the flow's connection, else on one towards its address, else on a new one."""
        connection = self.accepted.get(flow.connection) or self.ours.get(flow.connection)
        if connection is not None and connection.send(data):
            return
        target = flow._replace(connection=0)
        connection = self._towards.get(target)
        if connection is not None and connection.send(data):
            return
        waiting = self._waiting.get(target)
        if waiting is None:
            waiting = self._waiting[target] = _Waiting()
            self._begin_to_open(target)
        if not waiting.add(data, failed):
            self._loop.call_soon(failed, "too many messages wait for the connection")

    def opened(self, connection: Connection) -> None:
        """Keep a connection, or close it when its source or all together have too many."""
        if not connection.accepted:
            target = connection.flow._replace(connection=0)
            self._towards[target] = connection
            self._waiting.pop(target).leave_by(connection)
        elif not self.accepted.add(connection):
            self._dropped(connection.flow, DropCause.TOO_MANY_CONNECTIONS, "it was closed at once")
            connection.close()

    def closed(self, connection: Connection, why: str) -> None:
        """Forget a connection."""
        if connection.accepted:
            self.accepted.discard(connection)
            return
        self.ours.discard(connection)
        target = connection.flow._replace(connection=0)
        if self._towards.get(target) is connection:
            del self._towards[target]
        if why:
            self._loop.call_soon(self._lost, target, why)

    def broken(self, flow: Flow, cause: DropCause, why: str) -> None:
        """Tell of a connection that is cut."""
        self._dropped(flow, cause, why)

    async def close(self) -> None:
        """Stop listening and close every connection."""
        for server in self._listeners:
            server.close()
        for task in self._opening:
            task.cancel()
        for connection in (*self.accepted, *self.ours):
            connection.close()
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _begin_to_open(self, target: Flow) -> None:
        flow = target._replace(connection=next(self._numbers))
        connection = Connection(flow, self._receive, self, self._limits, self._turns)
        if self.ours.add(connection):
            task = self._loop.create_task(self._connect(connection, target))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        else:
            self._loop.call_soon(self._not_opened, connection, target, "too many connections")

    async def _connect(self, connection: Connection, target: Flow) -> None:
        """Open a connection, from the address that the peer knows as ours."""
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                await self._loop.create_connection(
                    lambda: connection,
                    target.host,
                    target.port,
                    flags=socket.AI_NUMERICHOST,
                    local_addr=self._local.get(target.interface),
                )
        except TimeoutError:
            why = f"no connection within {CONNECT_PATIENCE:g} s"
            self._not_opened(connection, target, why)
        except (OSError, ValueError, TypeError, OverflowError) as error:  # no host, no port
            why = getattr(error, "strerror", None) or str(error)
            self._not_opened(connection, target, why)

    def _not_opened(self, connection: Connection, target: Flow, why: str) -> None:
        self.ours.discard(connection)
        self._waiting.pop(target, _Waiting()).fail(why)


class _Waiting:
    """The messages that wait for one connection to open."""

    def __init__(self) -> None:
        self._messages: deque[tuple[bytes, Callable[[str], None]]] = deque()
        self._size = 0

    def add(self, data: bytes, failed: Callable[[str], None]) -> bool:
        """Keep a message; False when too many bytes wait already."""
        if self._size + len(data) > MOST_UNSENT:
            return False
        self._size += len(data)
        self._messages.append((data, failed))
        return True

    def leave_by(self, connection: Connection) -> None:
        """Send all, in their order."""
        for data, failed in self._messages:
            if not connection.send(data):
                failed("the connection closed")

    def fail(self, why: str) -> None:
        """Tell all that they did not leave."""
        for _, failed in self._messages:
            failed(why)
