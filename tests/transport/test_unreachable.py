"""Reports of unreachable addresses: ICMP errors, and connections that break."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

import pytest

from sip_stager.model.flow import Flow
from sip_stager.transport import icmp
from tests.support.torture import ANSWER, USUAL
from tests.transport.endpoints import TcpServer, UdpPeer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.transport.endpoints import Endpoint

    Listen = Callable[..., Awaitable[Endpoint]]


def closed_port(host: str = "127.0.0.1", interface: int = 0) -> Flow:
    """Return an address of this machine at which nothing listens."""
    with UdpPeer(host) as gone:
        return Flow("UDP", host, gone.port, interface)


@pytest.mark.parametrize(("host", "interface"), [("127.0.0.1", 0), ("::1", 1)])
@pytest.mark.parametrize("data", [b"short", USUAL, USUAL * 40])
async def test_an_icmp_error_reports_the_address_as_unreachable(
    endpoint: Endpoint, host: str, interface: int, data: bytes
) -> None:
    """RFC 3261 18.4: "Host, network, port or protocol unreachable errors, or parameter problem
    errors SHOULD cause the transport layer to inform the transport user of a failure in sending."
    """
    target = closed_port(host, interface)
    endpoint.send(data, target)
    assert await endpoint.lost_flow() == target
    assert endpoint.failures.empty()
    assert endpoint.dropped == ["send_failed"]


async def test_a_listener_works_on_after_an_error(endpoint: Endpoint) -> None:
    with UdpPeer() as peer:
        for _ in range(3):
            target = closed_port()
            endpoint.send(USUAL, target)
            assert await endpoint.lost_flow() == target
            peer.send(b"x", endpoint.ports[0])
            assert (await endpoint.next())[0] == b"x"


async def test_many_errors_are_reported_once_for_each_address(endpoint: Endpoint) -> None:
    """Beyond the RFCs."""
    targets = {closed_port() for _ in range(3)}
    for number in range(300):
        for target in targets:
            endpoint.send(USUAL + b"%d" % number, target)
    assert {await endpoint.lost_flow() for _ in targets} == targets
    await asyncio.sleep(2 * icmp.INTERVAL)
    assert endpoint.lost.empty()


async def test_an_error_does_not_fail_datagrams_to_others(endpoint: Endpoint) -> None:
    """RFC 3261 18.4."""
    target = closed_port()
    with UdpPeer() as peer:
        for number in range(100):
            endpoint.send(b"to a closed port", target)
            endpoint.send(b"%d" % number, Flow("UDP", "127.0.0.1", peer.port, 0))
        for number in range(100):
            assert await peer.next() == b"%d" % number
    await endpoint.lost_flow()
    assert endpoint.failures.empty()


async def test_an_error_does_not_fail_reads(endpoint: Endpoint) -> None:
    target = closed_port()
    with UdpPeer() as peer:
        for number in range(100):
            peer.send(b"%d" % number, endpoint.ports[0])
            endpoint.send(b"to a closed port", target)
        for number in range(100):
            assert (await endpoint.next())[0] == b"%d" % number


async def test_errors_do_not_keep_the_loop_busy(endpoint: Endpoint) -> None:
    listener = endpoint.sockets._udp[0]
    for number in range(3 * icmp.MAX_BATCH):
        endpoint.send(b"%d" % number, closed_port())
    await endpoint.lost_flow()
    with pytest.raises(BlockingIOError):
        listener._socket.recvmsg(1, 1, socket.MSG_ERRQUEUE)
    assert not listener._errors._watch or listener._errors._watch.poll(0) == []


async def test_an_error_that_does_not_quote_a_sent_datagram_is_ignored(
    endpoint: Endpoint,
) -> None:
    """Beyond the RFCs: an ICMP error counts only if it quotes the datagram that was sent."""
    forged, real = closed_port(), closed_port()
    endpoint.sockets._udp[0]._socket.sendto(USUAL + b"1", (forged.host, forged.port))
    endpoint.send(USUAL, real)
    assert await endpoint.lost_flow() == real
    assert endpoint.lost.empty()
    assert endpoint.dropped == ["send_failed"]


@pytest.mark.parametrize(
    ("number", "origin", "kind", "reported"),
    [
        (errno.ECONNREFUSED, 2, 3, True),
        (errno.EHOSTUNREACH, 2, 3, True),
        (errno.EPROTO, 2, 12, True),
        (errno.ECONNREFUSED, 3, 1, True),
        (errno.EPROTO, 3, 4, True),
        (errno.EHOSTUNREACH, 2, 11, False),  # TTL exceeded
        (errno.EHOSTUNREACH, 3, 3, False),
        (errno.ECONNREFUSED, 2, 4, False),  # source quench
        (errno.EMSGSIZE, 2, 3, False),  # too long for the path: the kernel fragments the next one
        (errno.EMSGSIZE, 3, 2, False),
        (errno.EMSGSIZE, 1, 0, False),  # from our own kernel: `send` has failed already
    ],
)
async def test_only_lasting_errors_are_reported(
    endpoint: Endpoint, number: int, origin: int, kind: int, *, reported: bool
) -> None:
    """RFC 3261 18.4: "Source quench and TTL exceeded ICMP errors SHOULD be ignored." """
    errors, target = endpoint.sockets._udp[0]._errors, closed_port()
    errors.remember(USUAL, target)
    errors._gather(USUAL[: icmp.QUOTED_BYTES], number, origin, kind)
    await asyncio.sleep(2 * icmp.INTERVAL)
    assert endpoint.lost.qsize() == reported


async def test_an_error_about_a_response_is_ignored(endpoint: Endpoint) -> None:
    """Nothing waits for a response, and strangers could make us search for each of theirs.

    They choose how many ports the responses go to, and all of them may be closed.
    """
    answered, asked = closed_port(), closed_port()
    endpoint.send(ANSWER, answered)
    endpoint.send(USUAL, asked)
    assert await endpoint.lost_flow() == asked
    await asyncio.sleep(2 * icmp.INTERVAL)
    assert endpoint.lost.empty()
    assert endpoint.dropped == ["send_failed"]


async def test_only_the_latest_datagrams_are_remembered(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icmp, "MAX_REMEMBERED", 2)
    with UdpPeer() as peer:
        for number in range(10):
            endpoint.send(b"%d" % number, Flow("UDP", "127.0.0.1", peer.port, 0))
        assert list(endpoint.sockets._udp[0]._errors._sent) == [b"8", b"9"]


async def test_nothing_is_reported_after_the_end(endpoint: Endpoint) -> None:
    errors = endpoint.sockets._udp[0]._errors
    errors.remember(USUAL, closed_port())
    errors._gather(USUAL[: icmp.QUOTED_BYTES], errno.ECONNREFUSED, 2, 3)
    await endpoint.sockets.close()
    await asyncio.sleep(2 * icmp.INTERVAL)
    assert endpoint.lost.empty()


async def test_a_system_that_does_not_report_icmp_errors_works(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icmp, "AVAILABLE", False)
    endpoint = await listen()
    endpoint.send(USUAL, closed_port())
    endpoint.send(b"x" * 70000, closed_port())  # too long: it fails at once
    assert await endpoint.failure()
    with UdpPeer() as peer:
        peer.send(b"x", endpoint.ports[0])
        assert (await endpoint.next())[0] == b"x"
    assert endpoint.lost.empty()


@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_of_ours_that_breaks_is_reported_once(
    endpoint: Endpoint, *, reset: bool
) -> None:
    """RFC 3261 18.4: "If the transport user asks for a request to be sent over a reliable
    transport, and the result is a connection failure, the transport layer SHOULD inform the
    transport user of a failure in sending."
    """
    async with TcpServer() as upstream:
        target = Flow("TCP", "127.0.0.1", upstream.port, 2)
        endpoint.send(USUAL, target)
        peer = await upstream.next()
        assert await peer.read(len(USUAL)) == USUAL
        if reset:
            peer.writer.transport.abort()
        else:
            peer.writer.close()
        assert await endpoint.lost_flow() == target
        await endpoint.until_connections_are(0)
        endpoint.send(ANSWER, target)
        assert await (await upstream.next()).read(len(ANSWER)) == ANSWER
        assert endpoint.lost.empty()


async def test_a_connection_of_ours_with_a_malformed_message_is_reported(
    endpoint: Endpoint,
) -> None:
    async with TcpServer() as upstream:
        target = Flow("TCP", "127.0.0.1", upstream.port, 2)
        endpoint.send(USUAL, target)
        (await upstream.next()).send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert await endpoint.lost_flow() == target


async def test_a_connection_of_a_peer_that_breaks_is_not_reported(endpoint: Endpoint) -> None:
    async with await endpoint.connect() as peer:
        peer.send(USUAL)
        await endpoint.next()
        peer.writer.transport.abort()
        await endpoint.until_connections_are(0)
    assert endpoint.lost.empty()


async def test_a_connection_that_does_not_open_fails_only_its_messages(
    endpoint: Endpoint,
) -> None:
    endpoint.send(USUAL, closed_port()._replace(transport="TCP", interface=2))
    assert await endpoint.failure()
    await endpoint.until_connections_are(0)
    assert endpoint.lost.empty()


async def test_a_bug_in_the_lost_callback_costs_nothing_else(endpoint: Endpoint) -> None:
    def lost(flow: Flow, why: str) -> None:
        endpoint.lost.put_nowait((flow, why))
        raise LookupError("a bug")

    endpoint.sockets.attach(endpoint.receive, lost)
    targets = {closed_port(), closed_port()}
    for target in targets:
        endpoint.send(str(target).encode(), target)
    assert {await endpoint.lost_flow() for _ in targets} == targets
    assert endpoint.dropped.count("internal_error") == 2


async def test_a_bug_in_the_failed_callback_costs_nothing_else(
    endpoint: Endpoint,
) -> None:
    def failed(why: str) -> None:
        endpoint.failures.put_nowait(why)
        raise LookupError("a bug")

    target = closed_port()._replace(transport="TCP", interface=2)
    for _ in range(2):
        endpoint.sockets.send(USUAL, target, failed)
    for _ in range(2):
        assert await endpoint.failure()
    assert endpoint.dropped.count("internal_error") == 2


async def test_the_lost_callback_may_be_left_out(endpoint: Endpoint) -> None:
    endpoint.sockets.attach(endpoint.receive)
    endpoint.send(USUAL, closed_port())
    while not endpoint.dropped:  # noqa: ASYNC110  # a list can wake nobody
        await asyncio.sleep(0.001)
    assert endpoint.dropped == ["send_failed"]
