"""The connections to one host, kept open between requests and bounded in number."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

import httpx

from sip_stager.http_client.connection import Connection
from sip_stager.http_client.messages import Crossed, Result
from sip_stager.http_client.phases import Timed
from sip_stager.http_client.slots import Places, Rank

if TYPE_CHECKING:
    from sip_stager.http_client.connector import Connector
    from sip_stager.http_client.messages import Head
    from sip_stager.http_client.phases import Phases

KEPT_IDLE = 50.0  # seconds; load balancers close at 60, and we would rather be first


class SentAway(httpx.PoolTimeout):
    """The request waited for a connection, and is not to be sent any more."""


class Pool:
    """At most ``connections`` at once; who finds none free waits, as ``Places`` say.

    ``max_body_bytes`` is in bytes, ``kept_idle`` in seconds.  The connection used last is used
    first,
    so that those of a busy hour end in a calm one.
    """

    def __init__(
        self,
        connector: Connector,
        *,
        connections: int,
        max_body_bytes: int,
        kept_idle: float = KEPT_IDLE,
    ) -> None:
        self._connector = connector
        self._places = Places(connections)
        self._max_body_bytes = max_body_bytes
        self._kept_idle = kept_idle
        self._loop = asyncio.get_running_loop()
        self._busy: set[Connection] = set()
        self._idle: dict[Connection, float] = {}  # since when, the oldest first
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    async def exchange(
        self, head: Head, body: bytes, phases: Phases, rank: Rank = Rank.STAGE
    ) -> Result:
        """Send on a free connection, or on a new one; cancelling closes the connection.

        A connection from the pool that ends so soon was closed before our request
        came: the two crossed.  The request is sent again, once, on a connection of its own, and
        the time of the first is the phase ``closed``.  When the connection was new, or its end
        came later, the server may have had the request in hand, and a second staging would be a
        second call (RFC 9110 9.2.2).
        """
        if not self._places.take():
            with Timed(phases, "queue"):
                if not await self._places.wait(rank):
                    return SentAway("it was sent away while it waited for a connection")
        try:
            if (kept := self._take()) is not None:
                result = await self._send(kept, head, body, phases)
                if not isinstance(result, Crossed):
                    return result
            if self._closed:
                return httpx.ConnectError("this program has closed its connections")
            fresh = await self._connector.connect(self._protocol, phases)
            if isinstance(fresh, Connection):
                return await self._send(fresh, head, body, phases)
            return fresh
        finally:
            self._places.leave()

    def send_away(self) -> None:
        """Let no new staging wait for a connection any longer."""
        self._places.send_away(Rank.STAGE)

    @property
    def requests(self) -> tuple[int, int]:
        """How many hold a place, and how many wait for one."""
        return self._places.taken, self._places.waiting

    async def aclose(self) -> None:
        """Close every connection, those in use too; the pool opens no other."""
        self._closed = True
        self._connector.close()
        for connection in (*self._busy, *self._idle):
            connection.abort()
        if self._sweeping is not None:
            self._sweeping.cancel()
        await asyncio.sleep(0)  # the transports end in the loop's next turn

    def _protocol(self) -> Connection:
        return Connection(self._max_body_bytes, self._ended)

    def _ended(self, connection: Connection) -> None:
        self._idle.pop(connection, None)

    def _take(self) -> Connection | None:
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.reusable:
                return connection
        return None

    async def _send(
        self, connection: Connection, head: Head, body: bytes, phases: Phases
    ) -> Result:
        self._busy.add(connection)
        began = perf_counter()
        phase = "request"
        try:
            result = await connection.send(head, body)
            phase = "closed" if isinstance(result, Crossed) else phase
            return result
        finally:
            phases[phase] = phases.get(phase, 0.0) + perf_counter() - began
            self._busy.discard(connection)
            if connection.reusable and not self._closed:
                self._keep(connection)
            else:
                connection.abort()

    def _keep(self, connection: Connection) -> None:
        self._idle[connection] = self._loop.time()
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self._kept_idle, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long, and look again when the next one will be."""
        self._sweeping = None
        expired = self._loop.time() - self._kept_idle
        for connection, since in tuple(self._idle.items()):
            if since > expired:
                self._sweeping = self._loop.call_at(since + self._kept_idle, self._sweep)
                return
            del self._idle[connection]
            connection.abort()
