"""One TCP connection (RFC 3261 18.3, RFC 5626 5.4)."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol, cast

from sip_stager.model.vocabulary import DropCause
from sip_stager.sip.fields import Malformed
from sip_stager.sip.framing import PONG, Framer
from sip_stager.transport.dead_peers import find_dead_peers
from sip_stager.transport.turns import LEAST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Limits
    from sip_stager.model.flow import Flow
    from sip_stager.transport.turns import Turns
    from sip_stager.transport.types import Receive

MOST_UNSENT = 1024 * 1024
"""Bytes that a peer may leave unread before its connection is closed."""
BATCH = 16
"""Messages taken before the loop gets its turn again; a peer can put thousands into a segment."""
LARGE = 65536
"""Bytes that are read at once; and bytes that wait to be sent, after which they go ahead of more of
the peer's messages."""
LINGER = 2.0
"""Seconds for a peer to read the last answer before its connection is cut."""

_ROOM = bytearray(LARGE)  # of all connections: what is read is taken out before more is read


class Owner(Protocol):
    """Who keeps the connections."""

    def opened(self, connection: Connection) -> None:
        """Hear of a connection that can be used."""

    def closed(self, connection: Connection, why: str) -> None:
        """Hear that it is over; ``why`` is empty when we closed it."""

    def broken(self, flow: Flow, cause: DropCause, why: str) -> None:
        """Hear that it is cut: the peer does not speak SIP, is too slow, or has too many."""


class Connection(asyncio.BufferedProtocol):
    """Cuts what arrives into messages, and gives each with the flow to answer on.

    ``accepted`` tells that the peer opened it; it must then bring a whole message in time, and
    read what it is answered: until it does, no more of it is read.
    """

    def __init__(
        self,
        flow: Flow,
        receive: Receive,
        owner: Owner,
        limits: Limits,
        turns: Turns,
        *,
        accepted: bool = False,
    ) -> None:
        self.flow = flow
        self.accepted = accepted
        self._receive = receive
        self._owner = owner
        self._limits = limits
        self._turns = turns
        self._loop = asyncio.get_running_loop()
        self.used = self._loop.time()
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._unread = self._over = False
        self._untaken: Iterator[bytes] | None = None
        self._why = ""

    @property
    def is_open(self) -> bool:
        """Whether it has been opened, and nobody has closed it."""
        return self._transport is not None

    def send(self, data: bytes) -> bool:
        """Send a message; False when the connection is closing."""
        transport = self._transport
        if transport is None or self._over or transport.is_closing():
            return False
        self.used = self._loop.time()
        transport.write(data)
        if transport.get_write_buffer_size() > MOST_UNSENT:
            self._cut("the peer does not read")
        return True

    def close(self) -> None:
        """Close it; what was written still goes out, if the peer reads it soon."""
        self._over = True
        if self._transport is not None:
            self._loop.call_later(LINGER, self._transport.abort)
            self._transport.close()

    def give_way(self) -> None:
        """End it at once: there are too many, and another address has fewer of them."""
        self._cut("it gave way to another address", DropCause.TOO_MANY_CONNECTIONS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        find_dead_peers(transport.get_extra_info("socket"))
        if self.accepted:
            peer = transport.get_extra_info("peername") or ("", 0)
            self.flow = self.flow._replace(host=peer[0], port=peer[1])
            self._await_message()
        self._idle = self._loop.call_later(self._limits.idle_timeout, self._close_if_idle)
        self._owner.opened(self)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002  a protocol's shape
        """Give room for what is read next: asyncio would read four times as much at once."""
        return _ROOM

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes, in this turn of the loop or in another."""
        self.used = self._loop.time()
        if self._over:
            return
        messages = self._framer.feed(bytes(memoryview(_ROOM)[:nbytes]))
        if self._turns.free:
            self._take(messages)
        else:
            self._take_later(messages)

    def pause_writing(self) -> None:
        """Hear that the peer does not read.

        Where we opened the connection that holds nothing up: two that wait for each other to read
        would wait for ever.
        """
        self._unread = self.accepted

    def resume_writing(self) -> None:
        """Hear that it does, and go on with what it has sent."""
        self._unread = False
        if self._untaken is not None:
            self._take_later(self._untaken)
            self._untaken = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        why = "" if self._over else str(exc or "the peer closed the connection")
        self._transport = None
        self._in_time()
        if self._idle is not None:
            self._idle.cancel()
        self._owner.closed(self, self._why or why)

    def _take_later(self, messages: Iterator[bytes]) -> None:
        if self._transport is not None:
            self._transport.pause_reading()
            self._turns.wait(self.flow.host, partial(self._take, messages))

    def _take(self, messages: Iterator[bytes]) -> None:
        """Hand out a batch of messages; what is left, and what is unread, waits for a turn."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._unread:
            transport.pause_reading()
            self._untaken = messages
            return
        taken = size = 0
        try:
            for message in islice(messages, BATCH):
                taken += 1
                size += max(len(message), LEAST)
                self._in_time()
                self._receive(message, self.flow)
                if size > LARGE or transport.get_write_buffer_size() > LARGE:
                    taken = BATCH
                    break
        except Malformed as fault:
            self._end(str(fault))
            return
        self._turns.spend(size)
        if transport.is_closing():
            return
        if taken == BATCH:
            self._take_later(messages)
        else:
            transport.resume_reading()
            self._taken()

    def _taken(self) -> None:
        """Answer keepalives, and await the rest of a message that has begun."""
        if self._framer.pings:
            self.send(PONG * self._framer.pings)
            self._framer.pings = 0
        if self._framer.mid_message and self._overdue is None:
            self._await_message()

    def _await_message(self) -> None:
        wait, why = self._limits.message_timeout, "no whole message in time"
        self._overdue = self._loop.call_later(wait, self._cut, why)

    def _in_time(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _close_if_idle(self) -> None:
        left = self.used + self._limits.idle_timeout - self._loop.time()
        if left > 0:
            self._idle = self._loop.call_later(left, self._close_if_idle)
        else:
            self.close()

    def _end(self, why: str) -> None:
        """Take no more; what was answered is given the time to arrive.

        To close with bytes unread resets a connection, and takes the answer from the peer.
        """
        self._owner.broken(self.flow, DropCause.MALFORMED, why)
        self._in_time()
        if self._transport is not None and not self._over:
            self._loop.call_later(LINGER, self._transport.abort)
            self._transport.resume_reading()
            self._transport.write_eof()
        self._over, self._why = True, why

    def _cut(self, why: str, cause: DropCause = DropCause.TOO_SLOW) -> None:
        self._owner.broken(self.flow, cause, why)
        self._over, self._why = True, why
        if self._transport is not None:
            self._transport.abort()
