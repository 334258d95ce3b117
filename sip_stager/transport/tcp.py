"""SIP over TCP: listeners, and the choice of a connection (RFC 3261 18.1.1, 18.2.2)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter, deque
from ipaddress import ip_address
from itertools import count
from typing import TYPE_CHECKING

from sip_stager.model.flow import Flow
from sip_stager.model.vocabulary import DropCause
from sip_stager.transport.connections import Connections
from sip_stager.transport.stream import MAX_UNSENT, TcpConnection
from sip_stager.transport.stream_keepalives import StreamKeepalives
from sip_stager.transport.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.config import Limits
    from sip_stager.transport.types import LocalAddresses, Lost, Peers, Receive

IDLE_BEFORE_CLOSE = 1.0
"""Seconds without traffic before an idle connection is closed for a successor."""
CONNECT_TIMEOUT = 2.0
"""Seconds; a large request then goes over UDP (RFC 3261 18.1.1), and the caller still waits."""

_KEEPALIVE_OPTIONS = (
    ("SOL_SOCKET", "SO_KEEPALIVE", 1),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 8),  # seconds of silence before the first probe
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 4),  # seconds between probes
    ("IPPROTO_TCP", "TCP_KEEPCNT", 2),
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 15_000),  # milliseconds without an acknowledgement
)


_CLOSED = "", 0  # stands for the address of a listener that a reload has removed


class TcpTransport:
    """Accepts connections and opens them; an open connection to an address is used again.

    A request takes an open connection with its target's address and port, whichever side opened
    it: many user agents write the address of their own end into Contact, and listen nowhere.  (A
    stranger cannot take a peer's place there: their connection has their own address.)
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        receive: Receive,
        lost: Lost,
        dropped: Callable[[Flow, DropCause, str], None],
        peers: Peers,
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._receive = receive
        self._lost = lost
        self._dropped = dropped
        self._numbers = count(1)
        self._turns = Turns(loop)
        # Each side has a limit of its own, so that peers leave room for what we open.
        limit, of_strangers = limits.connections, limits.connections_of_strangers
        each = limits.connections_per_source, peers, loop.time
        self.accepted = Connections(limit, of_strangers, *each)
        # Those that we open to hosts that are no peers go to parties of calls, such as the agents
        # behind an upstream.
        self.ours = Connections(limit, limit, *each)
        self._keepalives = StreamKeepalives(loop, self.ours)
        self._by_target: dict[Flow, TcpConnection] = {}  # those that we opened
        self._targets: Counter[tuple[str, int]] = Counter()  # of those, over any listener
        self._by_source: dict[tuple[str, int], TcpConnection] = {}  # those that peers opened
        self._unsent: dict[Flow, _UnsentMessages] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._listeners: dict[int, asyncio.Server] = {}
        self._lent: dict[int, socket.socket] = {}  # listening, but a successor accepts
        self._local: dict[int, tuple[str, int] | None] = {}
        self.addresses: LocalAddresses | None = None

    async def listen(
        self, address: tuple[str, int], index: int, bound: socket.socket | None = None
    ) -> int:
        """Bind a listener, or take one that is bound; return its port; raises ``OSError``."""
        server = await self._accept_at(index, address, bound)
        self._listeners[index] = server
        self._local[index] = None if ip_address(address[0]).is_unspecified else (address[0], 0)
        return int(server.sockets[0].getsockname()[1])

    def lend(self, index: int) -> socket.socket:
        """Stop accepting, because a successor does; return a copy of the listening socket."""
        server = self._listeners.pop(index)
        self._lent[index] = socket.socket(fileno=os.dup(server.sockets[0].fileno()))
        server.close()  # the open connections stay
        return self._lent[index].dup()

    async def take_back(self) -> None:
        """Accept connections again at the listeners that were lent."""
        for index, bound in list(self._lent.items()):
            del self._lent[index]
            self._listeners[index] = await self._accept_at(index, ("", 0), bound)

    def close_idle(self) -> None:
        """Close the connections that no live transaction needs, so that peers use a successor."""
        needed, now = self.accepted.live(), self._loop.time()
        for connection in (*self.accepted, *self.ours):
            flow = connection.flow
            in_use = flow.connection in needed or (flow.host, flow.port) in needed
            if not in_use and now - connection.used > IDLE_BEFORE_CLOSE:
                connection.close()

    async def _accept_at(
        self, index: int, address: tuple[str, int], bound: socket.socket | None
    ) -> asyncio.Server:

        def accepted() -> TcpConnection:
            flow = Flow("TCP", "", 0, index, next(self._numbers))
            return TcpConnection(
                flow, self._receive, self, self._limits, self._turns, accepted=True
            )

        if bound is not None:
            return await self._loop.create_server(accepted, sock=bound)
        return await self._loop.create_server(accepted, *address, reuse_address=True)

    def close_listener(self, index: int) -> None:
        """Accept no further connections there; harmless if there is no such listener."""
        server = self._listeners.pop(index, None)
        if server is not None:
            server.close()

    def adopt(self, limits: Limits, peers: Peers) -> None:
        """Use other limits and peers for further connections."""
        self._limits = limits
        limit, of_strangers = limits.connections, limits.connections_of_strangers
        self.accepted.adopt(limit, of_strangers, limits.connections_per_source, peers)
        self.ours.adopt(limit, limit, limits.connections_per_source, peers)

    def send_message(self, data: bytes, flow: Flow, failed: Callable[[str], None]) -> None:
        """Send a message on the flow's connection, else one to its address, else a new one."""
        connection = self.accepted.get(flow.connection) or self.ours.get(flow.connection)
        if connection is not None and connection.send_message(data):
            return
        target = flow._replace(connection=0)
        connection = self._by_target.get(target)
        if connection is not None and connection.send_message(data):
            return
        connection = self._by_source.get((flow.host, flow.port))
        if connection is not None and connection.send_message(data):
            connection.reused = True
            return
        unsent = self._unsent.get(target)
        if unsent is None:
            unsent = self._unsent[target] = _UnsentMessages()
            self._open(target)
        if not unsent.add(data, failed):
            self._loop.call_soon(failed, "too many messages wait for the connection")

    def is_connected(self, host: str, port: int) -> bool:
        """Return True if a connection with that address and port is open."""
        return (host, port) in self._by_source or (host, port) in self._targets

    def opened(self, connection: TcpConnection) -> None:
        """Send what waited for a connection of ours; keep a peer's, or close it at a limit."""
        _enable_keepalive(connection.tcp_socket)
        listener = connection.flow.interface
        if (
            connection.accepted
            and self.addresses is not None
            and self._local.get(listener, _CLOSED) is None
        ):
            asked: str = connection.tcp_socket.getsockname()[0]
            index = self.addresses.at(listener, asked)
            connection.flow = connection.flow._replace(interface=index)
        if not connection.accepted:
            target = connection.flow._replace(connection=0)
            self._by_target[target] = connection
            self._targets[target[1:3]] += 1
            self._unsent.pop(target).send_on(connection)
            self._keepalives.start()
        elif not self.accepted.add(connection):
            self._dropped(connection.flow, DropCause.TOO_MANY_CONNECTIONS, "it was closed at once")
            connection.close()
        else:
            self._by_source[connection.flow[1:3]] = connection

    def closed(self, connection: TcpConnection, why: str) -> None:
        """Forget a connection; report the address of one that carried requests and broke."""
        target, source = connection.flow._replace(connection=0), connection.flow[1:3]
        self.accepted.discard(connection)
        self.ours.discard(connection)
        if self._by_source.get(source) is connection:
            del self._by_source[source]
        if self._by_target.get(target) is connection:  # not a newer one to the same address
            del self._by_target[target]
            self._targets -= Counter((source,))  # drops a count of 0
        if why and (
            connection.reused or not connection.accepted
        ):  # later: this may be called while a message is being sent
            self._loop.call_soon(self._lost, target, why)

    def broken(self, flow: Flow, cause: DropCause, why: str) -> None:
        """Report a connection that is cut."""
        self._dropped(flow, cause, why)

    async def close(self) -> None:
        """Stop listening and close every connection."""
        for server in self._listeners.values():
            server.close()
        for lent in self._lent.values():
            lent.close()
        self._keepalives.stop()
        for task in self._opening:
            task.cancel()
        for connection in (*self.accepted, *self.ours):
            connection.close()
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _open(self, target: Flow) -> None:
        flow = target._replace(connection=next(self._numbers))
        connection = TcpConnection(flow, self._receive, self, self._limits, self._turns)
        if self.ours.add(connection):  # before it is open, so that the limit counts it
            task = self._loop.create_task(self._connect(connection, target))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        else:
            self._loop.call_soon(self._on_open_failed, connection, target, "too many connections")

    async def _connect(self, connection: TcpConnection, target: Flow) -> None:
        """Open a connection from the listener's address, which the peer knows as ours."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._loop.create_connection(
                    lambda: connection,
                    target.host,
                    target.port,
                    flags=socket.AI_NUMERICHOST,  # never a look-up: names are resolved before
                    local_addr=self._local_address(target.interface),
                )
        except TimeoutError:
            why = f"no connection within {CONNECT_TIMEOUT:g} s"
            self._on_open_failed(connection, target, why)
        except (OSError, ValueError, TypeError, OverflowError) as error:  # an impossible address
            why = getattr(error, "strerror", None) or str(error)
            self._on_open_failed(connection, target, why)

    def _local_address(self, interface: int) -> tuple[str, int] | None:
        """Return the address to connect from; None for the system's choice."""
        if interface in self._local or self.addresses is None:
            return self._local.get(interface)
        address = self.addresses.place(interface)[1]
        return (address, 0) if address else None

    def _on_open_failed(self, connection: TcpConnection, target: Flow, why: str) -> None:
        self.ours.discard(connection)
        # None wait if the connection opened as the timeout ended.
        self._unsent.pop(target, _UnsentMessages()).fail(why)


class _UnsentMessages:
    """The messages that wait for one connection to open."""

    def __init__(self) -> None:
        self._messages: deque[tuple[bytes, Callable[[str], None]]] = deque()
        self._size = 0

    def add(self, data: bytes, failed: Callable[[str], None]) -> bool:
        """Add a message; return False if too many bytes wait already."""
        if self._size + len(data) > MAX_UNSENT:
            return False
        self._size += len(data)
        self._messages.append((data, failed))
        return True

    def send_on(self, connection: TcpConnection) -> None:
        """Send all of them in their order."""
        for data, failed in self._messages:
            if not connection.send_message(data):
                failed("the connection closed")

    def fail(self, why: str) -> None:
        """Call ``failed`` of each."""
        for _, failed in self._messages:
            failed(why)


def _enable_keepalive(connected: socket.socket) -> None:
    """Make the kernel detect within 20 s that a peer is gone without closing."""
    for level, option, value in _KEEPALIVE_OPTIONS:
        if hasattr(socket, option):  # Linux has all of them, other systems some
            connected.setsockopt(getattr(socket, level), getattr(socket, option), value)
