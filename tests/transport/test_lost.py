"""What is told when nothing reaches an address: ICMP errors, and connections that break."""

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


def nobody(host: str = "127.0.0.1", interface: int = 0) -> Flow:
    """An address of this machine that nobody listens at."""
    with UdpPeer(host) as gone:
        return Flow("UDP", host, gone.port, interface)


@pytest.mark.parametrize(("host", "interface"), [("127.0.0.1", 0), ("::1", 1)])
@pytest.mark.parametrize("data", [b"short", USUAL, USUAL * 40])
async def test_an_icmp_error_is_told_of_the_address_that_was_not_reached(
    endpoint: Endpoint, host: str, interface: int, data: bytes
) -> None:
    """RFC 3261 18.4: "Host, network, port or protocol unreachable errors, or parameter problem
    errors SHOULD cause the transport layer to inform the transport user of a failure in sending."
    """
    target = nobody(host, interface)
    endpoint.send(data, target)
    assert await endpoint.lost_flow() == target
    assert endpoint.failures.empty()
    assert endpoint.dropped == ["send_failed"]


async def test_a_listener_hears_and_tells_on_after_an_error(endpoint: Endpoint) -> None:
    with UdpPeer() as peer:
        for _ in range(3):
            target = nobody()
            endpoint.send(USUAL, target)
            assert await endpoint.lost_flow() == target
            peer.send(b"x", endpoint.ports[0])
            assert (await endpoint.next())[0] == b"x"


async def test_a_storm_of_errors_is_told_once_for_each_address(endpoint: Endpoint) -> None:
    """Beyond the RFCs."""
    targets = {nobody() for _ in range(3)}
    for number in range(300):
        for target in targets:
            endpoint.send(USUAL + b"%d" % number, target)
    assert {await endpoint.lost_flow() for _ in targets} == targets
    await asyncio.sleep(2 * icmp.INTERVAL)
    assert endpoint.lost.empty()


async def test_an_error_fails_nothing_that_is_sent_to_others(endpoint: Endpoint) -> None:
    """RFC 3261 18.4."""
    target = nobody()
    with UdpPeer() as peer:
        for number in range(100):
            endpoint.send(b"to nobody", target)
            endpoint.send(b"%d" % number, Flow("UDP", "127.0.0.1", peer.port, 0))
        for number in range(100):
            assert await peer.next() == b"%d" % number
    await endpoint.lost_flow()
    assert endpoint.failures.empty()


async def test_an_error_fails_nothing_that_is_read(endpoint: Endpoint) -> None:
    target = nobody()
    with UdpPeer() as peer:
        for number in range(100):
            peer.send(b"%d" % number, endpoint.ports[0])
            endpoint.send(b"to nobody", target)
        for number in range(100):
            assert (await endpoint.next())[0] == b"%d" % number


async def test_errors_do_not_keep_the_loop_busy(endpoint: Endpoint) -> None:
    listener = endpoint.sockets._udp[0]
    for number in range(3 * icmp.MAX_BATCH):
        endpoint.send(b"%d" % number, nobody())
    await endpoint.lost_flow()
    with pytest.raises(BlockingIOError):
        listener._socket.recvmsg(1, 1, socket.MSG_ERRQUEUE)
    assert not listener._errors._watch or listener._errors._watch.poll(0) == []


async def test_an_error_that_does_not_quote_what_was_sent_is_not_believed(
    endpoint: Endpoint,
) -> None:
    """Beyond the RFCs: an ICMP error that does not quote what was sent is not believed."""
    forged, real = nobody(), nobody()
    endpoint.sockets._udp[0]._socket.sendto(USUAL + b"1", (forged.host, forged.port))
    endpoint.send(USUAL, real)
    assert await endpoint.lost_flow() == real
    assert endpoint.lost.empty()
    assert endpoint.dropped == ["send_failed"]


@pytest.mark.parametrize(
    ("number", "origin", "kind", "told"),
    [
        (errno.ECONNREFUSED, 2, 3, True),
        (errno.EHOSTUNREACH, 2, 3, True),
        (errno.EPROTO, 2, 12, True),
        (errno.ECONNREFUSED, 3, 1, True),
        (errno.EPROTO, 3, 4, True),
        (errno.EHOSTUNREACH, 2, 11, False),  # TTL exceeded
        (errno.EHOSTUNREACH, 3, 3, False),
        (errno.ECONNREFUSED, 2, 4, False),  # source quench
        (errno.EMSGSIZE, 2, 3, False),  # the path takes less: it is cut when it is sent again
        (errno.EMSGSIZE, 3, 2, False),
        (errno.EMSGSIZE, 1, 0, False),  # our own kernel, and `send` said so
    ],
)
async def test_only_errors_that_last_are_told(
    endpoint: Endpoint, number: int, origin: int, kind: int, *, told: bool
) -> None:
    """RFC 3261 18.4: "Source quench and TTL exceeded ICMP errors SHOULD be ignored." """
    errors, target = endpoint.sockets._udp[0]._errors, nobody()
    errors.remember(USUAL, target)
    errors._gather(USUAL[: icmp.QUOTED_BYTES], number, origin, kind)
    await asyncio.sleep(2 * icmp.INTERVAL)
    assert endpoint.lost.qsize() == told


async def test_an_error_about_a_response_is_nobodys(endpoint: Endpoint) -> None:
    """Nothing waits for it, and whoever sends us requests could make us search for each answer.

    A stranger chooses how many ports of his the answers go to, and all of them may be closed.
    """
    answered, asked = nobody(), nobody()
    endpoint.send(ANSWER, answered)
    endpoint.send(USUAL, asked)
    assert await endpoint.lost_flow() == asked
    await asyncio.sleep(2 * icmp.INTERVAL)
    assert endpoint.lost.empty()
    assert endpoint.dropped == ["send_failed"]


async def test_only_what_was_sent_of_late_is_known(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icmp, "MAX_REMEMBERED", 2)
    with UdpPeer() as peer:
        for number in range(10):
            endpoint.send(b"%d" % number, Flow("UDP", "127.0.0.1", peer.port, 0))
        assert list(endpoint.sockets._udp[0]._errors._sent) == [b"8", b"9"]


async def test_nothing_is_told_after_the_end(endpoint: Endpoint) -> None:
    errors = endpoint.sockets._udp[0]._errors
    errors.remember(USUAL, nobody())
    errors._gather(USUAL[: icmp.QUOTED_BYTES], errno.ECONNREFUSED, 2, 3)
    await endpoint.sockets.close()
    await asyncio.sleep(2 * icmp.INTERVAL)
    assert endpoint.lost.empty()


async def test_where_the_system_does_not_tell_of_errors_they_harm_nobody(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icmp, "AVAILABLE", False)
    endpoint = await listen()
    endpoint.send(USUAL, nobody())
    endpoint.send(b"x" * 70000, nobody())  # fails at once
    assert await endpoint.failure()
    with UdpPeer() as peer:
        peer.send(b"x", endpoint.ports[0])
        assert (await endpoint.next())[0] == b"x"
    assert endpoint.lost.empty()


@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_that_we_opened_and_that_breaks_is_told_once(
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


async def test_a_connection_whose_peer_loses_its_meaning_is_lost(endpoint: Endpoint) -> None:
    async with TcpServer() as upstream:
        target = Flow("TCP", "127.0.0.1", upstream.port, 2)
        endpoint.send(USUAL, target)
        (await upstream.next()).send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert await endpoint.lost_flow() == target


async def test_a_connection_that_a_peer_opened_is_not_told_of(endpoint: Endpoint) -> None:
    async with await endpoint.connect() as peer:
        peer.send(USUAL)
        await endpoint.next()
        peer.writer.transport.abort()
        await endpoint.until_connections_are(0)
    assert endpoint.lost.empty()


async def test_a_connection_that_does_not_open_is_told_to_its_messages_alone(
    endpoint: Endpoint,
) -> None:
    endpoint.send(USUAL, nobody()._replace(transport="TCP", interface=2))
    assert await endpoint.failure()
    await endpoint.until_connections_are(0)
    assert endpoint.lost.empty()


async def test_a_mistake_of_ours_in_what_is_lost_costs_nothing_else(endpoint: Endpoint) -> None:
    def lost(flow: Flow, why: str) -> None:
        endpoint.lost.put_nowait((flow, why))
        raise LookupError("a mistake of ours")

    endpoint.sockets.attach(endpoint.receive, lost)
    targets = {nobody(), nobody()}
    for target in targets:
        endpoint.send(str(target).encode(), target)
    assert {await endpoint.lost_flow() for _ in targets} == targets
    assert endpoint.dropped.count("internal_error") == 2


async def test_a_mistake_of_ours_when_a_message_fails_costs_nothing_else(
    endpoint: Endpoint,
) -> None:
    def failed(why: str) -> None:
        endpoint.failures.put_nowait(why)
        raise LookupError("a mistake of ours")

    target = nobody()._replace(transport="TCP", interface=2)
    for _ in range(2):
        endpoint.sockets.send(USUAL, target, failed)
    for _ in range(2):
        assert await endpoint.failure()
    assert endpoint.dropped.count("internal_error") == 2


async def test_what_is_lost_is_nobodys_where_nobody_asks(endpoint: Endpoint) -> None:
    endpoint.sockets.attach(endpoint.receive)
    endpoint.send(USUAL, nobody())
    while not endpoint.dropped:  # noqa: ASYNC110  # a list can wake nobody
        await asyncio.sleep(0.001)
    assert endpoint.dropped == ["send_failed"]
