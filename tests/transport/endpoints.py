"""Sockets that listen on loopback, and peers with sockets of their own."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Self

from sip_stager.events import Event, MessageDropped
from sip_stager.transport.listeners import Sockets
from tests.support.fakes import FakeClock
from tests.support.needed import has_ipv6, need_ipv6

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.config import Limits
    from sip_stager.model.flow import Flow
    from sip_stager.transport.types import Peers

TIMEOUT = 20.0
"""Seconds until a test gives up; nothing here takes one second."""


class HandLoop(FakeClock):
    """A loop whose clock is moved by hand; callbacks that are due at once go to the real loop."""

    def call_soon(self, callback: Callable[..., object], *arguments: Any) -> asyncio.Handle:
        return asyncio.get_running_loop().call_soon(callback, *arguments)


class OnlyPeers:
    """``Peers`` of some addresses."""

    def __init__(self, *hosts: str) -> None:
        self._hosts = set(hosts)

    def is_configured(self, host: str) -> bool:
        return host in self._hosts

    def is_peer(self, host: str) -> bool:
        return host in self._hosts


class Endpoint:
    """Keeps each message in ``arrived``, and answers it with ``reply`` if that is set."""

    def __init__(self, limits: Limits | None = None, peers: Peers | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.events: list[Event] = []
        self.sockets = Sockets(self.loop, self.events.append, limits, peers)
        self.lost: asyncio.Queue[tuple[Flow, str]] = asyncio.Queue()
        self.arrived: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.reply: bytes = b""
        self.failures: asyncio.Queue[str] = asyncio.Queue()
        self.ports: list[int] = []

    async def start(self) -> None:
        self.live: set[int | tuple[str, int]] = set()
        self.sockets.attach(
            self.receive, lambda *fact: self.lost.put_nowait(fact), live=lambda: self.live
        )
        for index, (transport, host) in enumerate(
            (("UDP", "127.0.0.1"), ("UDP", "::1"), ("TCP", "127.0.0.1"))
        ):
            there = host != "::1" or has_ipv6()
            port = await self.sockets.listen(transport, (host, 0), index) if there else 0
            self.ports.append(port)

    def receive(self, data: bytes, flow: Flow) -> None:
        if data.startswith(b"CRASH"):
            raise LookupError("a bug")
        self.arrived.put_nowait((data, flow))
        if self.reply:
            self.sockets.send(self.reply, flow, self.failures.put_nowait)

    def send(self, data: bytes, flow: Flow) -> None:
        self.sockets.send(data, flow, self.failures.put_nowait)

    async def next(self) -> tuple[bytes, Flow]:
        return await asyncio.wait_for(self.arrived.get(), TIMEOUT)

    async def failure(self) -> str:
        return await asyncio.wait_for(self.failures.get(), TIMEOUT)

    async def lost_flow(self) -> Flow:
        flow, why = await asyncio.wait_for(self.lost.get(), TIMEOUT)
        assert why
        return flow

    @property
    def dropped(self) -> list[str]:
        return [event.cause for event in self.events if isinstance(event, MessageDropped)]

    async def until_connections_are(self, number: int) -> None:
        async with asyncio.timeout(TIMEOUT):
            while sum(self.sockets.connections.values()) != number:  # noqa: ASYNC110  nothing signals it
                await asyncio.sleep(0.001)

    async def connect(self, host: str = "127.0.0.1") -> TcpPeer:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.ports[2], local_addr=(host, 0)
        )
        return TcpPeer(reader, writer)


class UdpPeer:
    """A datagram socket on loopback."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        if ":" in host:
            need_ipv6()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        self.host = host
        self.port: int = self.socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes, port: int) -> None:
        self.socket.sendto(data, (self.host, port))

    async def next(self) -> bytes:
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.sock_recv(self.socket, 65535), TIMEOUT)


class TcpPeer:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        host, port = writer.get_extra_info("sockname")[:2]
        self.address: tuple[str, int] = (host, port)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def read(self, size: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(size), TIMEOUT)

    async def closed(self) -> bool:
        """Wait until the other end closes."""
        try:
            while await asyncio.wait_for(self.reader.read(65536), TIMEOUT):
                pass
        except ConnectionError:
            pass
        return True


class TcpServer:
    """A server on loopback, as an upstream is one."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.peers: asyncio.Queue[TcpPeer] = asyncio.Queue()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._all: list[TcpPeer] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
        for peer in self._all:
            await peer.__aexit__()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._all.append(TcpPeer(reader, writer))
        self.peers.put_nowait(self._all[-1])

    async def next(self) -> TcpPeer:
        return await asyncio.wait_for(self.peers.get(), TIMEOUT)
