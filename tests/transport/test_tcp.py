from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from sip_stager.model.flow import Flow
from sip_stager.transport import tcp
from tests.support.needed import need_ipv6
from tests.support.torture import ANSWER, USUAL
from tests.transport.endpoints import TIMEOUT, TcpServer

if TYPE_CHECKING:
    from tests.transport.endpoints import Endpoint


async def test_a_message_arrives_with_its_flow_and_is_answered_on_its_connection(
    endpoint: Endpoint,
) -> None:
    """RFC 3261 18.2.2: "the response MUST be sent using the existing connection to the source of
    the original request that created the transaction, if that connection is still open."
    """
    endpoint.reply = ANSWER
    async with await endpoint.connect() as peer, await endpoint.connect():
        peer.send(USUAL)
        data, flow = await endpoint.next()
        assert data == USUAL
        assert flow[:4] == ("TCP", *peer.address, 2)
        assert flow.connection
        assert await peer.read(len(ANSWER)) == ANSWER
        endpoint.send(
            ANSWER, flow._replace(port=9)
        )  # the port of sent-by counts only without a connection
        assert await peer.read(len(ANSWER)) == ANSWER


async def test_messages_arrive_whole_however_segments_cut_them(endpoint: Endpoint) -> None:
    """RFC 3261 18.3: "In the case of stream-oriented transports such as TCP, the Content-Length
    header field indicates the size of the body."
    """
    async with await endpoint.connect() as peer:
        peer.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(1, len(USUAL), 17):
            peer.send(USUAL[:place])
            await asyncio.sleep(0.001)
            peer.send(USUAL[place:] + ANSWER + USUAL)
            assert [(await endpoint.next())[0] for _ in range(3)] == [USUAL, ANSWER, USUAL]


async def test_a_keepalive_is_answered(endpoint: Endpoint) -> None:
    """RFC 5626 5.4: "When a server receives a double CRLF sequence between SIP messages on a
    connection-oriented transport such as TCP or SCTP, it MUST immediately respond with a single
    CRLF over the same connection."
    """
    async with await endpoint.connect() as peer:
        peer.send(b"\r\n")
        await asyncio.sleep(0.001)
        peer.send(b"\r\n")
        assert await peer.read(2) == b"\r\n"
        peer.send(b"\r\n\r\n" + USUAL + b"\r\n\r\n")
        assert await peer.read(4) == b"\r\n\r\n"
        assert (await endpoint.next())[0] == USUAL


async def test_a_malformed_message_closes_the_stream_and_those_before_it_count(
    endpoint: Endpoint,
) -> None:
    async with await endpoint.connect() as peer:
        peer.send(USUAL + b"BYE sip:a@b SIP/2.0\r\nTo: x\r\n\r\n" + USUAL)
        assert (await endpoint.next())[0] == USUAL
        assert await peer.closed()
    assert endpoint.arrived.empty()
    assert endpoint.dropped == ["malformed"]
    await endpoint.until_connections_are(0)


async def test_a_bug_costs_one_message_of_a_stream(endpoint: Endpoint) -> None:
    async with await endpoint.connect() as peer:
        peer.send(USUAL.replace(b"INVITE", b"CRASH") + USUAL)
        assert (await endpoint.next())[0] == USUAL
    assert endpoint.dropped == ["internal_error"]


async def test_a_connection_to_a_target_is_opened_once_and_used_again(
    endpoint: Endpoint,
) -> None:
    """RFC 3261 18: "It is RECOMMENDED that connections be kept open for some
    implementation-defined duration after the last message was sent or received over that
    connection."
    """
    async with TcpServer() as upstream:
        target = Flow("TCP", "127.0.0.1", upstream.port, 2)
        for number in range(5):  # while it is being opened
            endpoint.send(b"%d" % number, target)
        peer = await upstream.next()
        assert await peer.read(5) == b"01234"
        endpoint.send(b"again", target)
        assert await peer.read(5) == b"again"
        assert upstream.peers.empty()
        assert endpoint.sockets.connections == {"accepted": 0, "opened": 1}
        peer.send(ANSWER)
        data, flow = await endpoint.next()
        assert data == ANSWER
        assert flow[:4] == target[:4]


async def test_a_connection_is_opened_from_its_listeners_address(
    endpoint: Endpoint,
) -> None:
    await endpoint.sockets.listen("TCP", ("127.0.0.2", 0), 3)
    await endpoint.sockets.listen("TCP", ("0.0.0.0", 0), 4)
    async with TcpServer() as upstream:
        for interface, local in ((3, "127.0.0.2"), (4, "127.0.0.1")):
            endpoint.send(b"1", Flow("TCP", "127.0.0.1", upstream.port, interface))
            peer = await upstream.next()
            assert peer.writer.get_extra_info("peername")[0] == local


async def test_a_connection_that_was_closed_is_opened_anew(endpoint: Endpoint) -> None:
    async with TcpServer() as upstream:
        target = Flow("TCP", "127.0.0.1", upstream.port, 2)
        endpoint.send(b"1", target)
        first = await upstream.next()
        assert await first.read(1) == b"1"
        first.writer.close()
        await endpoint.until_connections_are(0)
        endpoint.send(b"2", target)
        assert await (await upstream.next()).read(1) == b"2"


async def test_a_response_goes_to_sent_by_when_its_connection_is_closed(endpoint: Endpoint) -> None:
    """RFC 3261 18.2.2: "If that connection is no longer open, the server SHOULD open a connection
    to the IP address in the "received" parameter, if present, using the port in the "sent-by"
    value, or the default port for that transport, if no port is specified."
    """
    async with TcpServer() as sent_by:
        async with await endpoint.connect() as peer:
            peer.send(USUAL)
            _, flow = await endpoint.next()
        await endpoint.until_connections_are(0)
        endpoint.send(ANSWER, flow._replace(port=sent_by.port))
        assert await (await sent_by.next()).read(len(ANSWER)) == ANSWER


async def test_a_request_uses_the_connection_that_a_peer_opened_from_its_target(
    endpoint: Endpoint,
) -> None:
    """RFC 3261 18: a user agent that listens nowhere writes its own end into Contact."""
    async with await endpoint.connect() as peer:
        peer.send(USUAL)
        _, flow = await endpoint.next()
        target = flow._replace(connection=0)
        assert endpoint.sockets.is_connected(target.host, target.port)
        endpoint.send(b"request", target)
        assert await peer.read(7) == b"request"
    await endpoint.until_connections_are(0)
    assert not endpoint.sockets.is_connected(target.host, target.port)
    endpoint.send(b"request", target)
    assert await endpoint.failure()


async def test_a_request_on_a_peers_connection_that_breaks_is_lost(endpoint: Endpoint) -> None:
    """RFC 3261 17.1.4: its transaction need not wait for a timeout."""
    async with await endpoint.connect() as peer, await endpoint.connect() as other:
        peer.send(USUAL)
        _, flow = await endpoint.next()
        other.send(USUAL)
        await endpoint.next()
        target = flow._replace(connection=0)
        endpoint.send(b"request", target)
        assert await peer.read(7) == b"request"
    assert await endpoint.lost_flow() == target
    assert endpoint.lost.empty()  # no request of ours was sent on the other


async def test_a_connection_of_ours_goes_ahead_of_one_that_the_peer_opened(
    endpoint: Endpoint,
) -> None:
    async with await endpoint.connect() as peer:
        peer.send(USUAL)
        _, flow = await endpoint.next()
        assert flow.connection
        async with TcpServer() as server:
            target = Flow("TCP", server.host, server.port, 2)
            endpoint.send(b"1", target)
            assert await (await server.next()).read(1) == b"1"
            assert endpoint.sockets.is_connected(server.host, server.port)


async def test_a_refused_connection_fails_all_messages_that_waited(endpoint: Endpoint) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        target = Flow("TCP", "127.0.0.1", taken.getsockname()[1], 2)
        endpoint.send(b"1", target)
        endpoint.send(b"2", target)
        assert endpoint.failures.empty()
        for _ in range(2):
            assert await endpoint.failure()
        assert endpoint.dropped == ["send_failed"] * 2
        endpoint.send(b"3", target)  # a new message, a new try
        assert await endpoint.failure()


async def test_opening_a_connection_has_a_timeout(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the RFCs: opening a connection takes at most 2 s."""
    monkeypatch.setattr(tcp, "CONNECT_TIMEOUT", 0.05)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        endpoint.send(b"1", Flow("TCP", address[0], address[1], 2))
        assert await endpoint.failure() == "no connection within 0.05 s"
        for filler in fillers:
            filler.close()


async def test_the_messages_that_wait_for_a_connection_are_limited(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "MAX_UNSENT", 2)
    async with TcpServer() as upstream:
        target = Flow("TCP", "127.0.0.1", upstream.port, 2)
        for number in range(3):
            endpoint.send(b"%d" % number, target)
        assert "too many" in await endpoint.failure()
        assert await (await upstream.next()).read(2) == b"01"


@pytest.mark.parametrize(
    ("host", "port"), [("name.example", 5060), ("127.0.0.1", 70000), ("\0", 5060), ("::1", 5060)]
)
async def test_an_impossible_address_fails_the_message(
    endpoint: Endpoint, host: str, port: int
) -> None:
    endpoint.send(b"1", Flow("TCP", host, port, 2))
    assert await endpoint.failure()
    assert endpoint.sockets.connections["opened"] == 0


async def test_a_half_closed_connection_is_closed(endpoint: Endpoint) -> None:
    async with await endpoint.connect() as peer:
        peer.send(USUAL)
        await endpoint.next()
        peer.writer.write_eof()
        assert await peer.closed()
    await endpoint.until_connections_are(0)


async def test_a_peer_that_is_gone_is_forgotten(endpoint: Endpoint) -> None:
    async with await endpoint.connect() as peer:
        await endpoint.until_connections_are(1)
        peer.writer.transport.abort()
        await endpoint.until_connections_are(0)


async def test_close_ends_every_connection_and_frees_the_port(endpoint: Endpoint) -> None:
    async with await endpoint.connect() as peer:
        await endpoint.until_connections_are(1)
        endpoint.send(b"never", Flow("TCP", "192.0.2.1", 9, 2))  # still being opened
        await endpoint.sockets.close()
        assert await peer.closed()
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await endpoint.connect()


async def test_written_bytes_are_sent_before_a_connection_closes(endpoint: Endpoint) -> None:
    async with await endpoint.connect() as peer:
        peer.send(USUAL)
        _, flow = await endpoint.next()
        endpoint.send(ANSWER, flow)
        await endpoint.sockets.close()
        assert await peer.read(len(ANSWER)) == ANSWER


async def test_tcp_works_over_ipv6(endpoint: Endpoint) -> None:
    need_ipv6()
    endpoint.reply = ANSWER
    port = await endpoint.sockets.listen("TCP", ("::1", 0), 3)
    reader, writer = await asyncio.open_connection("::1", port)
    writer.write(USUAL)
    _, flow = await endpoint.next()
    assert (flow.host, flow.interface) == ("::1", 3)
    assert await asyncio.wait_for(reader.readexactly(len(ANSWER)), TIMEOUT) == ANSWER
    writer.close()
    await writer.wait_closed()
