"""Sockets of the soak's own: datagrams that get lost, and connections that end when they like."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Protocol, cast

from soak.messages import cut

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Take = Callable[[bytes, "Wire"], None]
    Witness = Callable[[str, bytes], None]

_BUFFER = 4 << 20  # bytes


class Wire(Protocol):
    """A way to the program; ``closed`` tells that it was cut, and that what was on it is lost."""

    closed: bool

    @property
    def reliable(self) -> bool:
        """Whether nothing needs to be repeated on it."""

    def send(self, data: bytes) -> None:
        """Send one message."""


class Datagrams:
    """A UDP socket towards the program that loses a part of what goes over it, both ways."""

    reliable = False
    closed = False

    def __init__(
        self,
        address: tuple[str, int],
        program: tuple[str, int],
        take: Take,
        witness: Witness,
        chance: Random,
    ) -> None:
        self.loss = 0.0
        self.lost = 0
        self._take, self._witness, self._chance = take, witness, chance
        self._program = program
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind(address)
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @property
    def port(self) -> int:
        """Where it is bound."""
        return int(self._socket.getsockname()[1])

    def send(self, data: bytes) -> None:
        """Send a datagram, or lose it."""
        if not self._loses(">", data):
            self._socket.sendto(data, self._program)

    def close(self) -> None:
        """Close it."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _loses(self, way: str, data: bytes) -> bool:
        lost = self._chance.random() < self.loss
        self.lost += lost
        self._witness(f"{way} lost" if lost else way, data)
        return lost

    def _readable(self) -> None:
        for _ in range(32):
            try:
                data = self._socket.recv(65535)
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            if not self._loses("<", data):
                self._take(data, self)


class Stream(asyncio.Protocol):
    """A TCP connection with the program, whoever opened it; ``closed`` is not to be used."""

    reliable = True

    def __init__(
        self, take: Take, witness: Witness, made: Callable[[Stream], None] | None = None
    ) -> None:
        self.closed = False
        self.ended = asyncio.Event()
        self.used = asyncio.get_running_loop().time()
        self._take, self._witness, self._made = take, witness, made
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def send(self, data: bytes) -> None:
        """Send; what is sent on a connection that has ended is lost."""
        self._witness(">" if not self.closed else "> lost", data)
        if not self.closed:
            self.write(data)

    def write(self, data: bytes) -> None:
        """Send bytes of any kind."""
        self.used = asyncio.get_running_loop().time()
        self._transport.write(data)

    def close(self) -> None:
        """Close it once everything is out."""
        self.closed = True
        self._transport.close()

    def reset(self) -> None:
        """End it with RST; what is under way is lost."""
        self.closed = True
        raw: socket.socket = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be open."""
        self._transport = cast("asyncio.Transport", transport)
        if self._made is not None:
            self._made(self)

    def data_received(self, data: bytes) -> None:
        """Cut messages out of what came."""
        self.used = asyncio.get_running_loop().time()
        self._buffer += data
        for message in cut(self._buffer):
            self._witness("<", message)
            self._take(message, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Be over."""
        self.closed = True
        self.ended.set()
