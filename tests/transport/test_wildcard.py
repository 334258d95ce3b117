"""Listeners on a wildcard address: each peer is answered from the address that it sent to."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from sip_stager.model.flow import Flow
from sip_stager.proxy.interfaces import Interface, Interfaces
from sip_stager.transport import routes
from sip_stager.transport.listeners import Sockets
from sip_stager.transport.routes import KernelRoutes
from tests.support.fakes import FakeClock
from tests.support.needed import need_ipv6
from tests.support.torture import ANSWER, USUAL
from tests.transport.endpoints import TIMEOUT, UdpPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux has all of 127.0.0.0/8")

WILDCARDS = (
    Interface("UDP", "0.0.0.0", "0.0.0.0", 5060),
    Interface("UDP", "::", "::", 5060),
    Interface("TCP", "0.0.0.0", "0.0.0.0", 5060),
)


class Edge:
    """Wildcard listeners that answer each message."""

    def __init__(self) -> None:
        self.sockets = Sockets(asyncio.get_running_loop(), lambda event: None)
        self.interfaces = Interfaces(WILDCARDS)
        self.arrived: asyncio.Queue[Flow] = asyncio.Queue()
        self.ports: list[int] = []

    async def start(self) -> None:
        self.sockets.attach(self.receive, addresses=self.interfaces)
        for index, each in enumerate(WILDCARDS):
            if each.address == "::":
                need_ipv6()
            self.ports.append(await self.sockets.listen(each.transport, (each.address, 0), index))

    def receive(self, data: bytes, flow: Flow) -> None:
        self.arrived.put_nowait(flow)
        self.sockets.send(ANSWER, flow)

    async def next(self) -> Flow:
        return await asyncio.wait_for(self.arrived.get(), TIMEOUT)


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    edge = Edge()
    await edge.start()
    yield edge
    await edge.sockets.close()


async def source_of_next(peer: UdpPeer) -> tuple[str, int]:
    async with asyncio.timeout(TIMEOUT):
        while True:
            try:
                data, address = peer.socket.recvfrom(65535)
            except BlockingIOError:
                await asyncio.sleep(0.001)  # uvloop has no sock_recvfrom
            else:
                assert data == ANSWER
                return address[0], address[1]


@pytest.mark.parametrize("asked", ["127.0.0.5", "127.0.0.1"])
async def test_a_response_leaves_from_the_address_that_was_asked(edge: Edge, asked: str) -> None:
    """RFC 3581 4: "the server MUST send the response from the same address and port it received
    the corresponding request on."
    """
    with UdpPeer("127.0.0.9") as peer:
        for _ in range(2):
            peer.socket.sendto(USUAL, (asked, edge.ports[0]))
            assert await source_of_next(peer) == (asked, edge.ports[0])
            flow = await edge.next()
            assert flow[:3] == ("UDP", "127.0.0.9", peer.port)
            assert edge.interfaces.place(flow.interface) == (0, asked)


async def test_a_response_leaves_from_the_asked_address_over_ipv6(edge: Edge) -> None:
    """RFC 3581 4."""
    with UdpPeer("::1") as peer:
        peer.send(USUAL, edge.ports[1])
        assert await source_of_next(peer) == ("::1", edge.ports[1])
    assert edge.interfaces.place((await edge.next()).interface) == (1, "::1")


async def test_a_request_leaves_from_the_address_of_its_interface(edge: Edge) -> None:
    """RFC 3261 18.1.1: it is the one that Via names."""
    with UdpPeer("127.0.0.9") as peer:
        for address in ("127.0.0.7", "127.0.0.8"):
            interface = edge.interfaces.at(0, address)
            edge.sockets.send(ANSWER, Flow("UDP", "127.0.0.9", peer.port, interface))
            assert await source_of_next(peer) == (address, edge.ports[0])
        edge.sockets.send(ANSWER, Flow("UDP", "127.0.0.9", peer.port, 0))  # the kernel's choice
        assert await source_of_next(peer) == ("127.0.0.1", edge.ports[0])


async def test_a_connection_has_the_address_that_it_was_opened_to(edge: Edge) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.6", edge.ports[2])
    writer.write(USUAL)
    assert await asyncio.wait_for(reader.readexactly(len(ANSWER)), TIMEOUT) == ANSWER
    assert edge.interfaces.place((await edge.next()).interface) == (2, "127.0.0.6")
    writer.close()


async def test_a_connection_is_opened_from_the_address_of_its_interface(edge: Edge) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        interface = edge.interfaces.at(2, "127.0.0.7")
        edge.sockets.send(ANSWER, Flow("TCP", "127.0.0.1", server.getsockname()[1], interface))
        accepted = asyncio.get_running_loop().sock_accept(server)
        connection, address = await asyncio.wait_for(accepted, TIMEOUT)
        connection.close()
        assert address[0] == "127.0.0.7"


def test_the_kernel_names_the_address_for_packets_to_a_host() -> None:
    found = KernelRoutes(lambda: 0.0)
    assert found.source_for("127.0.0.1") == "127.0.0.1"
    assert found.source_for("255.255.255.255") == ""  # a broadcast is refused
    assert found.source_for("not an address") == ""


def test_the_kernel_is_asked_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interface may have come or gone; a call's look-up costs no system call meanwhile."""
    asked: list[str] = []

    def ask(host: str) -> str:
        asked.append(host)
        return "127.0.0.1"

    monkeypatch.setattr(routes, "_ask_kernel", ask)
    monkeypatch.setattr(routes, "MAX_HOSTS", 2)
    clock = FakeClock()
    found = KernelRoutes(clock.time)
    for seconds in (0.0, routes.MAX_AGE - 1, 1.0):
        clock.advance(seconds)
        assert found.source_for("192.0.2.1") == "127.0.0.1"
    assert asked == ["192.0.2.1"] * 2
    for host in ("192.0.2.2", "192.0.2.3", "192.0.2.2", "192.0.2.1"):
        found.source_for(host)
    assert asked[2:] == ["192.0.2.2", "192.0.2.3", "192.0.2.1"]
