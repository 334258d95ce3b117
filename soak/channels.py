"""The soak's channels to the program: a lossy UDP socket and TCP connections."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Protocol, cast

from soak.messages import split_stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    OnMessage = Callable[[bytes, "Channel"], None]
    OnTraffic = Callable[[str, bytes], None]

_RECEIVE_BUFFER = 4 << 20  # bytes
_MAX_READS = 32  # datagrams before the event loop gets its turn


class Channel(Protocol):
    """A way to send to the program; once it is ``closed``, messages on their way may be lost."""

    closed: bool

    @property
    def reliable(self) -> bool:
        """True if messages on it need no retransmission."""

    def send(self, data: bytes) -> None:
        """Send one message."""


class LossySocket:
    """A UDP socket that loses a part of the datagrams in both directions."""

    reliable = False
    closed = False

    def __init__(
        self,
        address: tuple[str, int],
        program: tuple[str, int],
        on_message: OnMessage,
        on_traffic: OnTraffic,
        chance: Random,
    ) -> None:
        self.loss = 0.0
        self.lost = 0
        self._on_message, self._on_traffic, self._chance = on_message, on_traffic, chance
        self._program = program
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._socket.bind(address)
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @property
    def port(self) -> int:
        """The local port."""
        return int(self._socket.getsockname()[1])

    def send(self, data: bytes) -> None:
        """Send a datagram, or lose it."""
        if not self._loses(">", data):
            self._socket.sendto(data, self._program)

    def close(self) -> None:
        """Close the socket."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _loses(self, way: str, data: bytes) -> bool:
        lost = self._chance.random() < self.loss
        self.lost += lost
        self._on_traffic(f"{way} lost" if lost else way, data)
        return lost

    def _readable(self) -> None:
        for _ in range(_MAX_READS):
            try:
                data = self._socket.recv(65535)
            except BlockingIOError:
                return
            except ConnectionError:  # an ICMP error of an earlier send
                continue
            if not self._loses("<", data):
                self._on_message(data, self)


class Stream(asyncio.Protocol):
    """A TCP connection with the program, opened by either side."""

    reliable = True

    def __init__(
        self,
        on_message: OnMessage,
        on_traffic: OnTraffic,
        on_open: Callable[[Stream], None] | None = None,
    ) -> None:
        self.closed = False
        self.ended = asyncio.Event()
        self.last_used = asyncio.get_running_loop().time()
        self._on_message, self._on_traffic, self._on_open = on_message, on_traffic, on_open
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def send(self, data: bytes) -> None:
        """Send a message; it is lost if the connection has ended."""
        self._on_traffic(">" if not self.closed else "> lost", data)
        if not self.closed:
            self.write(data)

    def write(self, data: bytes) -> None:
        """Send any bytes."""
        self.last_used = asyncio.get_running_loop().time()
        self._transport.write(data)

    def close(self) -> None:
        """Close the connection once everything is sent."""
        self.closed = True
        self._transport.close()

    def reset(self) -> None:
        """Reset the connection (RST); unsent and unread data is lost."""
        self.closed = True
        raw: socket.socket = self._transport.get_extra_info("socket")
        # With a linger time of zero, close() sends RST instead of FIN.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)
        if self._on_open is not None:
            self._on_open(self)

    def data_received(self, data: bytes) -> None:
        """Pass on every complete message."""
        self.last_used = asyncio.get_running_loop().time()
        self._buffer += data
        for message in split_stream(self._buffer):
            self._on_traffic("<", message)
            self._on_message(message, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Mark the channel as closed."""
        self.closed = True
        self.ended.set()
