"""The connections to one host: bounded in number, kept open between requests.

A request takes two steps, and each has its cases:

::

    a slot          1. One is free: take it.
                    2. All are taken: queue by priority, fairly between shares, until one
                       is released, or until the waiters are rejected.
    a connection    1. One is idle: send on it.  If its end crossed the request, go on with 2.
                    2. None is idle: make a new one and send on it.
                    3. The pool is closed: fail.

There are as many slots as connections, so a request that has a slot may always open one.

**A close that crosses a request.**  Servers close idle connections whenever they like.  Our request
may leave just before we see the close, so it is lost without anybody's fault, and must be sent
again, or calls would fail at random.  But a server may also take a request, fail, and close; to
send again would then stage a second call.  No byte of a response came in either case.  What tells
them apart is time: a close that was under way when we sent arrives within a round trip.  So the
request is sent again, once, if the connection was idle before and its end came within
``crossing_window`` (RFC 9110 9.2.2 leaves it to the client to know).  It is never sent again if the
connection was new: its server had no reason to close but the request.

The connection used last is used first, so that those of a busy hour expire in a quiet one.

A connection is used for ``max_age`` at most, however busy it is: it stays with the address that the
host's name had when it was made, and under constant traffic no other would ever be asked for.
"""

from __future__ import annotations

import asyncio
import random
from time import perf_counter
from typing import TYPE_CHECKING

from sip_stager.http_client.connection import Connection
from sip_stager.http_client.fair_queue import Share
from sip_stager.http_client.phase_times import PhaseTimer
from sip_stager.http_client.results import ConnectFailed, Crossed, Rejected
from sip_stager.http_client.slots import Priority, Slots

if TYPE_CHECKING:
    from sip_stager.http_client.connector import Connector
    from sip_stager.http_client.messages import RequestHead
    from sip_stager.http_client.phase_times import Phases
    from sip_stager.http_client.results import Result, Sent

_random = random.Random().random  # noqa: S311  # it spreads ends out; no secret hangs on it
_CLOSED = ConnectFailed("this program has closed its connections")
MAX_AGE = 120.0  # seconds in which a connection is used again
AGE_SPREAD = 0.2  # of it; connections that were opened together do not all end together
IDLE_TIMEOUT = 50.0  # seconds; load balancers close at 60, and a close of ours crosses nothing


class Pool:
    """At most ``connections`` connections, made by ``connector``; needs a running loop.

    ``max_body_bytes`` is the limit of a response's body; ``idle_timeout`` and ``max_age`` are in
    seconds.
    """

    def __init__(
        self,
        connector: Connector,
        *,
        connections: int,
        max_body_bytes: int,
        idle_timeout: float = IDLE_TIMEOUT,
        max_age: float = MAX_AGE,
    ) -> None:
        self.slots = Slots(connections)
        self._connector = connector
        self._max_body_bytes = max_body_bytes
        self._idle_timeout = idle_timeout
        self._max_age = max_age
        self._loop = asyncio.get_running_loop()
        self._busy: set[Connection] = set()
        self._idle: dict[Connection, float] = {}  # since when, the oldest first
        self._expiry: asyncio.TimerHandle | None = None
        self._closed = False

    async def exchange(
        self,
        head: RequestHead,
        body: bytes,
        phases: Phases,
        priority: Priority,
        share: Share = Share(),  # noqa: B008  a tuple
    ) -> Result:
        """Send a request and return its response or its failure; cancelling it closes."""
        if not self.slots.take(share):
            with PhaseTimer(phases, "queue"):
                if not await self.slots.wait(priority, share):
                    return Rejected()
        try:
            connection = self._take_idle() or await self._connect(phases)
            while not isinstance(connection, ConnectFailed):
                self._busy.add(connection)
                began, result = perf_counter(), None
                try:
                    result = await connection.send(head, body)
                finally:
                    self._end_request(connection, result, phases, perf_counter() - began)
                if not isinstance(result, Crossed):
                    return result
                connection = await self._connect(phases)
            return connection
        finally:
            self.slots.release(share)

    async def aclose(self) -> None:
        """Close every connection, those in use too; the pool opens no other."""
        self._closed = True
        self._connector.close()
        for connection in (*self._busy, *self._idle):
            connection.abort()
        if self._expiry is not None:
            self._expiry.cancel()
        await asyncio.sleep(0)  # the transports end in the loop's next turn

    async def _connect(self, phases: Phases) -> Connection | ConnectFailed:
        made: Connection | ConnectFailed = _CLOSED
        if not self._closed:
            made = await self._connector.connect(self._make_connection, phases)
        if self._closed and isinstance(made, Connection):
            made.abort()  # it was made while the pool closed the others
            return _CLOSED
        return made

    def _make_connection(self) -> Connection:
        connection = Connection(self._max_body_bytes, self._forget)
        age = self._max_age * (1 - AGE_SPREAD * _random())
        connection.retires_at = self._loop.time() + age
        return connection

    def _forget(self, connection: Connection) -> None:
        self._idle.pop(connection, None)

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection, _ = self._idle.popitem()
            if self._is_old(connection):
                connection.abort()
            elif connection.reusable:  # it may be closing, and the loop has not said so yet
                return connection
        return None

    def _end_request(
        self, connection: Connection, result: Sent | None, phases: Phases, spent: float
    ) -> None:
        """Account for the time of a request, and keep its connection or close it."""
        phase = "closed" if isinstance(result, Crossed) else "request"
        phases[phase] = phases.get(phase, 0.0) + spent
        self._busy.discard(connection)
        # A request that was cancelled is still under way: its connection is not reusable.
        if connection.reusable and not self._is_old(connection):
            self._keep_idle(connection)
        else:
            connection.abort()

    def _is_old(self, connection: Connection) -> bool:
        return self._loop.time() >= connection.retires_at

    def _keep_idle(self, connection: Connection) -> None:
        self._idle[connection] = self._loop.time()
        if self._expiry is None:
            self._expiry = self._loop.call_later(self._idle_timeout, self._expire)

    def _expire(self) -> None:
        """Close connections that have been idle for too long; one timer serves them all."""
        self._expiry = None
        expired = self._loop.time() - self._idle_timeout
        for connection, since in tuple(self._idle.items()):
            if since > expired:
                self._expiry = self._loop.call_at(since + self._idle_timeout, self._expire)
                return
            del self._idle[connection]
            connection.abort()
