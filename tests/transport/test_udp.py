from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from sip_stager.model.flow import Flow
from sip_stager.transport.udp import MAX_AGE_ALONE, MAX_BATCH, MAX_BATCH_BYTES
from tests.support.needed import need_ipv6
from tests.transport.endpoints import TIMEOUT, UdpPeer

if TYPE_CHECKING:
    from tests.transport.endpoints import Endpoint


@pytest.mark.parametrize(("host", "interface"), [("127.0.0.1", 0), ("::1", 1)])
async def test_a_datagram_arrives_with_its_flow_and_is_answered_on_it(
    endpoint: Endpoint, host: str, interface: int
) -> None:
    endpoint.reply = b"answer"
    with UdpPeer(host) as peer:
        peer.send(b"\x00\xff" * 600, endpoint.ports[interface])
        assert await endpoint.next() == (b"\x00\xff" * 600, Flow("UDP", host, peer.port, interface))
        assert await peer.next() == b"answer"


async def test_many_datagrams_arrive_in_their_order(endpoint: Endpoint) -> None:
    count = 3 * MAX_BATCH + 7
    with UdpPeer() as peer:
        for number in range(count):
            peer.send(b"%d" % number, endpoint.ports[0])
        assert [(await endpoint.next())[0] for _ in range(count)] == [
            b"%d" % n for n in range(count)
        ]


def wait_in_the_socket() -> None:
    """Hold the loop up, as a busy one would be: a datagram that has just come is read alone."""
    time.sleep(2 * MAX_AGE_ALONE)


async def test_the_loop_runs_after_each_batch(endpoint: Endpoint) -> None:
    seen: asyncio.Queue[int] = asyncio.Queue()

    def receive(data: bytes, flow: Flow) -> None:
        if endpoint.arrived.qsize() in {0, MAX_BATCH}:
            endpoint.loop.call_soon(lambda: seen.put_nowait(endpoint.arrived.qsize()))
        endpoint.receive(data, flow)

    endpoint.sockets.attach(receive)
    with UdpPeer() as peer:
        for _ in range(2 * MAX_BATCH):
            peer.send(b"x", endpoint.ports[0])
        wait_in_the_socket()
        for expected in (MAX_BATCH, 2 * MAX_BATCH):
            assert await asyncio.wait_for(seen.get(), TIMEOUT) == expected


async def test_large_datagrams_fill_a_batch_by_their_bytes(endpoint: Endpoint) -> None:
    """Each byte is parsed, so 64 of the largest datagrams would hold the loop for 0.3 s."""
    size, whole = MAX_BATCH_BYTES // 2, 2
    seen: asyncio.Queue[int] = asyncio.Queue()

    def receive(data: bytes, flow: Flow) -> None:
        if endpoint.arrived.qsize() in {0, whole}:
            endpoint.loop.call_soon(lambda: seen.put_nowait(endpoint.arrived.qsize()))
        endpoint.receive(data, flow)

    endpoint.sockets.attach(receive)
    with UdpPeer() as peer:
        for _ in range(2 * whole):
            peer.send(b"x" * size, endpoint.ports[0])
        wait_in_the_socket()
        for expected in (whole, 2 * whole):
            assert await asyncio.wait_for(seen.get(), TIMEOUT) == expected


async def test_an_empty_datagram_is_received(endpoint: Endpoint) -> None:
    with UdpPeer() as peer:
        peer.send(b"", endpoint.ports[0])
        peer.send(b"next", endpoint.ports[0])
        assert [(await endpoint.next())[0] for _ in range(2)] == [b"", b"next"]


@pytest.mark.parametrize(
    ("data", "flow"),
    [
        (b"x" * 70000, Flow("UDP", "127.0.0.1", 9, 0)),
        (b"x", Flow("UDP", "255.255.255.255", 9, 0)),
        (b"x", Flow("UDP", "::1", 9, 0)),
        (b"x", Flow("UDP", "127.0.0.1", 70000, 0)),
        (b"x", Flow("UDP", "\0", 9, 0)),
    ],
)
async def test_a_failed_send_is_reported_later_and_never_raised(
    endpoint: Endpoint, data: bytes, flow: Flow
) -> None:
    endpoint.send(data, flow)
    assert endpoint.failures.empty()
    assert await endpoint.failure()
    assert endpoint.dropped == ["send_failed"]
    endpoint.sockets.send(data, flow)  # without a callback it is counted all the same
    await asyncio.sleep(0)
    assert endpoint.dropped == ["send_failed"] * 2


async def test_a_closed_port_of_a_peer_does_not_disturb_others(endpoint: Endpoint) -> None:
    with UdpPeer() as gone:
        port = gone.port
    endpoint.send(b"x", Flow("UDP", "127.0.0.1", port, 0))
    with UdpPeer() as peer:
        peer.send(b"x", endpoint.ports[0])
        assert (await endpoint.next())[0] == b"x"


async def test_a_bug_costs_one_message_and_is_logged(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    with UdpPeer() as peer:
        for data in (b"1", b"CRASH", b"2"):
            peer.send(data, endpoint.ports[0])
        assert [(await endpoint.next())[0] for _ in range(2)] == [b"1", b"2"]
    assert endpoint.dropped == ["internal_error"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info


async def test_a_port_in_use_is_an_error(endpoint: Endpoint) -> None:
    for index, transport in ((0, "UDP"), (2, "TCP")):
        with pytest.raises(OSError, match="in use"):
            await endpoint.sockets.listen(transport, ("127.0.0.1", endpoint.ports[index]), 9)


async def test_a_datagram_before_attach_is_lost(endpoint: Endpoint) -> None:
    endpoint.sockets.attach(None)  # type: ignore[arg-type]
    with UdpPeer() as peer:
        peer.send(b"1", endpoint.ports[0])
        with suppress(BlockingIOError):
            while endpoint.sockets._udp[0]._socket.recv(1, socket.MSG_PEEK):  # noqa: ASYNC110
                await asyncio.sleep(0)  # until it has been read
        endpoint.sockets.attach(endpoint.receive)
        peer.send(b"2", endpoint.ports[0])
        assert (await endpoint.next())[0] == b"2"


async def test_ipv6_leaves_the_port_of_ipv4_free(endpoint: Endpoint) -> None:
    need_ipv6()
    port = await endpoint.sockets.listen("UDP", ("::", 0), 3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", port))
