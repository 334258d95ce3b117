"""One TCP connection (RFC 3261 18.3, RFC 5626 3.5.1)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from sip_stager.ports import Flow
from sip_stager.sip.fields import Malformed
from sip_stager.sip.framing import PONG, Framer

if TYPE_CHECKING:
    from sip_stager.transport.edge import Receive

PATIENCE = 30.0
"""Seconds in which a peer that connected must have sent a first message."""
MOST_UNSENT = 1024 * 1024
"""Bytes that a peer may leave unread before its connection is closed."""


class Owner(Protocol):
    """Who keeps the connections."""

    def opened(self, connection: Connection) -> None:
        """Hear of a connection that can be used."""

    def closed(self, connection: Connection) -> None:
        """Hear that it is over."""

    def broken(self, flow: Flow, why: str) -> None:
        """Hear that the peer did not speak SIP, or did not listen."""


class Connection(asyncio.Protocol):
    """Cuts what arrives into messages, and gives each with the flow to answer on.

    ``accepted`` tells that the peer opened it; it must then bring a whole message in time.
    """

    def __init__(
        self,
        number: int,
        interface: int,
        receive: Receive,
        owner: Owner,
        *,
        accepted: bool = False,
    ) -> None:
        self.number = number
        self.accepted = accepted
        self.interface = interface
        self.flow = Flow("TCP", "", 0, interface, number)
        self._receive = receive
        self._owner = owner
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._overdue: asyncio.TimerHandle | None = None

    def send(self, data: bytes) -> bool:
        """Send a message; False when the connection is closing."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        transport.write(data)
        if transport.get_write_buffer_size() > MOST_UNSENT:
            self._break("the peer does not read")
        return True

    def close(self) -> None:
        """Close it; what was written still goes out."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        peer = transport.get_extra_info("peername") or ("", 0)
        self.flow = self.flow._replace(host=peer[0], port=peer[1])
        self._owner.opened(self)
        if self.accepted:
            self._overdue = asyncio.get_running_loop().call_later(PATIENCE, self._break, "too slow")

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        try:
            for message in self._framer.feed(data):
                self._in_time()
                self._receive(message, self.flow)
        except Malformed as fault:
            self._break(str(fault))
            return
        if self._framer.pings:
            self.send(PONG * self._framer.pings)
            self._framer.pings = 0

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's shape
        """Leave."""
        self._transport = None
        self._in_time()
        self._owner.closed(self)

    def _in_time(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _break(self, why: str) -> None:
        self._owner.broken(self.flow, why)
        if self._transport is not None:
            self._transport.abort()
