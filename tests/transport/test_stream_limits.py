"""The limits of TCP connections: time, memory, number, and turns of the loop."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from sip_stager.model.flow import Flow
from sip_stager.transport.stream import MAX_BATCH, MAX_BATCH_BYTES, MAX_UNSENT, StreamState
from tests.support.torture import ANSWER, USUAL
from tests.transport.endpoints import TIMEOUT, TcpPeer, TcpServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.transport.endpoints import Endpoint, HandLoop

    Listen = Callable[..., Awaitable[Endpoint]]

MANY = b"A sip:a@b SIP/2.0\r\nl:0\r\n\r\n"


async def cut_while_dripping(peer: TcpPeer, clock: HandLoop) -> None:
    """Send a byte each second until the other end cuts the connection."""
    closed = asyncio.create_task(peer.closed())
    for byte in USUAL[:100]:
        if not (closed.done() or peer.writer.is_closing()):
            peer.send(bytes([byte]))
            clock.advance(1)
            await asyncio.sleep(0.001)
    assert await closed


async def test_a_peer_that_connects_and_sends_nothing_is_cut(
    clock: HandLoop, listen: Listen
) -> None:
    """Beyond the RFCs."""
    endpoint = await listen(message_timeout=10)
    async with await endpoint.connect() as silent, await endpoint.connect() as speaking:
        speaking.send(USUAL)
        assert (await endpoint.next())[0] == USUAL
        silent.send(b"\r\n\r\n")  # a keepalive is not a message
        assert await silent.read(2) == b"\r\n"
        clock.advance(9)
        assert endpoint.dropped == []
        clock.advance(1)
        assert await silent.closed()
        speaking.send(ANSWER)
        assert (await endpoint.next())[0] == ANSWER
    assert endpoint.dropped == ["too_slow"]


async def test_the_message_timeout_ends_when_the_connection_is_closed(
    clock: HandLoop, listen: Listen
) -> None:
    endpoint = await listen(message_timeout=10)
    async with await endpoint.connect() as peer:
        peer.send(USUAL[:100])
        await endpoint.until_connections_are(1)
        await endpoint.sockets.close()
        clock.advance(10)
        assert await peer.closed()
    assert endpoint.dropped == []


@pytest.mark.parametrize("before", [b"", USUAL])
async def test_a_connection_is_cut_if_a_message_is_not_whole_in_time(
    clock: HandLoop, listen: Listen, before: bytes
) -> None:
    """Beyond the RFCs: a message that is not whole in time ends its connection."""
    endpoint = await listen(message_timeout=10)
    async with await endpoint.connect() as peer:
        peer.send(before)
        assert not before or (await endpoint.next())[0] == before
        await cut_while_dripping(peer, clock)
    assert endpoint.arrived.empty()
    assert endpoint.dropped == ["too_slow"]
    await endpoint.until_connections_are(0)


async def test_a_slow_writer_is_cut_on_a_connection_that_we_opened(
    clock: HandLoop, listen: Listen
) -> None:
    """Beyond the RFCs: the same holds for a connection that we opened."""
    endpoint = await listen(message_timeout=10)
    async with TcpServer() as upstream:
        target = Flow("TCP", "127.0.0.1", upstream.port, 2)
        endpoint.send(b"1", target)
        await cut_while_dripping(await upstream.next(), clock)
        assert await endpoint.lost_flow() == target


async def test_the_message_timeout_counts_from_the_start_of_each_message(
    clock: HandLoop, listen: Listen
) -> None:
    endpoint = await listen(message_timeout=10)
    async with await endpoint.connect() as peer:
        peer.send(USUAL[:100])
        for _ in range(8):  # each starts in the segment that ends the one before
            peer.send(USUAL[100:] + USUAL[:100])
            assert (await endpoint.next())[0] == USUAL
            clock.advance(6)
        peer.send(USUAL[100:] + b"\r\n")
        assert (await endpoint.next())[0] == USUAL
        clock.advance(60)  # no timeout between messages, nor within a keepalive
        peer.send(b"\r\n" + ANSWER)
        assert await peer.read(2) == b"\r\n"
    assert endpoint.dropped == []


async def test_an_idle_connection_is_closed(clock: HandLoop, listen: Listen) -> None:
    """RFC 3261 18."""
    endpoint = await listen(idle_timeout=10)
    async with (
        TcpServer() as upstream,
        await endpoint.connect() as peer,
        await endpoint.connect() as quiet,
    ):
        target = Flow("TCP", "127.0.0.1", upstream.port, 2)
        endpoint.send(b"1", target)
        server = await upstream.next()
        await endpoint.until_connections_are(3)
        for _ in range(10):  # both directions are traffic
            peer.send(USUAL)
            assert (await endpoint.next())[0] == USUAL
            endpoint.send(b"1", target)
            clock.advance(6)
        assert await quiet.closed()
        await endpoint.until_connections_are(2)
        assert endpoint.sockets.connections == {"accepted": 1, "opened": 1}
        clock.advance(4)
        assert await peer.closed()
        assert await server.closed()
        assert upstream.peers.empty()  # one connection carried it all
    assert endpoint.lost.empty()  # no message was lost
    assert endpoint.dropped == []


async def test_connections_of_peers_leave_room_for_ours(listen: Listen) -> None:
    endpoint = await listen(connections=1)
    async with TcpServer() as upstream, await endpoint.connect():
        await endpoint.until_connections_are(1)
        endpoint.send(b"1", Flow("TCP", "127.0.0.1", upstream.port, 2))
        assert await (await upstream.next()).read(1) == b"1"


async def test_a_peer_that_does_not_read_is_cut(endpoint: Endpoint) -> None:
    """Beyond the RFCs."""
    async with await endpoint.connect() as peer:
        peer.send(USUAL)
        _, flow = await endpoint.next()
        async with asyncio.timeout(TIMEOUT):
            while not endpoint.dropped:
                endpoint.send(b"x" * (MAX_UNSENT // 4), flow)
                await asyncio.sleep(0)
        await endpoint.until_connections_are(0)
    assert endpoint.dropped == ["too_slow"]


async def test_reading_pauses_until_the_peer_reads_its_answers(
    endpoint: Endpoint,
) -> None:
    """Beyond the RFCs: a peer that connected to us and does not read its answers is not read.

    Else a thousand such peers would take a mebibyte each.
    """
    endpoint.reply = USUAL * (MAX_BATCH_BYTES // len(USUAL))
    many = 400
    async with await endpoint.connect() as peer:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        peer.send(USUAL * many)
        async with asyncio.timeout(TIMEOUT):
            while not endpoint.arrived.qsize():  # noqa: ASYNC110  nothing signals it
                await asyncio.sleep(0.001)
            (connection,) = endpoint.sockets._tcp.accepted
            while connection.state is not StreamState.HELD:  # noqa: ASYNC110  nothing signals it
                await asyncio.sleep(0.001)
        assert connection._transport
        assert connection._transport.get_write_buffer_size() < 3 * MAX_BATCH_BYTES
        assert endpoint.arrived.qsize() < many
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await peer.read(many * len(endpoint.reply))
    assert endpoint.arrived.qsize() == many
    assert endpoint.dropped == []


async def test_reading_does_not_pause_on_a_connection_that_we_opened(
    endpoint: Endpoint,
) -> None:
    """Beyond the RFCs: a peer that we connected to is always read.

    If both ends waited for the other to read, they would wait for ever.
    """
    async with TcpServer() as upstream:
        target = Flow("TCP", "127.0.0.1", upstream.port, 2)
        endpoint.send(b"1", target)
        peer = await upstream.next()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = endpoint.sockets._tcp.ours
        assert connection._transport
        while (
            connection._transport.get_write_buffer_size() <= MAX_BATCH_BYTES
        ):  # until the kernel is full
            endpoint.send(b"x" * MAX_BATCH_BYTES, target)
            await asyncio.sleep(0)
        peer.send(USUAL)
        assert (await endpoint.next())[0] == USUAL


async def test_closing_does_not_wait_for_a_peer_that_does_not_read(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sip_stager.transport.stream.LINGER", 0.05)
    endpoint = await listen(idle_timeout=0.3)
    async with await endpoint.connect() as peer:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        peer.send(USUAL)
        _, flow = await endpoint.next()
        for _ in range(30):  # until the kernel takes no more
            endpoint.send(b"x" * (MAX_UNSENT // 8), flow)
            await asyncio.sleep(0)
            if endpoint.dropped:
                break
        await endpoint.until_connections_are(0)


async def test_a_body_over_the_limit_is_skipped_and_the_connection_lives(
    endpoint: Endpoint,
) -> None:
    """RFC 3261 21.5.7."""
    endpoint.reply = ANSWER
    message = b"BYE sip:a@b SIP/2.0\r\nl: 700000\r\n\r\n"
    async with await endpoint.connect() as peer:
        peer.send(USUAL + message + b"x" * 100_000)
        assert await peer.read(2 * len(ANSWER)) == 2 * ANSWER
        peer.send(b"x" * 600_000 + USUAL)
        assert await peer.read(len(ANSWER)) == ANSWER
    assert [(await endpoint.next())[0] for _ in range(3)] == [USUAL, message, USUAL]
    assert endpoint.dropped == []


async def test_a_body_that_is_skipped_must_arrive_in_time(clock: HandLoop, listen: Listen) -> None:
    """Beyond the RFCs."""
    endpoint = await listen(message_timeout=10)
    async with await endpoint.connect() as peer:
        peer.send(b"BYE sip:a@b SIP/2.0\r\nl: 700000\r\n\r\n" + b"x" * 100_000)
        await endpoint.next()
        closed = asyncio.create_task(peer.closed())
        while not (closed.done() or peer.writer.is_closing()):
            peer.send(b"x")
            clock.advance(1)
            await asyncio.sleep(0.001)
        assert await closed
    assert endpoint.dropped == ["too_slow"]


async def test_a_body_far_over_the_limit_is_answered_and_closes_the_connection(
    endpoint: Endpoint,
) -> None:
    """RFC 3261 21.5.7."""
    endpoint.reply = ANSWER
    async with await endpoint.connect() as peer:
        peer.send(b"BYE sip:a@b SIP/2.0\r\nl: 2147483648\r\n\r\n" + b"x" * 100_000)
        assert await peer.read(len(ANSWER)) == ANSWER
        peer.send(b"x" * 100_000)  # not read as a message, and it must not reset the answer
        assert await peer.closed()
    assert endpoint.arrived.qsize() == 1
    assert endpoint.dropped == ["malformed"]
    await endpoint.until_connections_are(0)


async def test_a_peer_that_goes_on_after_a_malformed_message_is_cut(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sip_stager.transport.stream.LINGER", 0.05)
    async with await endpoint.connect() as peer:
        peer.send(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(TIMEOUT):
            while sum(endpoint.sockets.connections.values()):
                peer.send(b"x")
                await asyncio.sleep(0.01)


async def test_after_a_malformed_message_answers_take_another_connection(
    endpoint: Endpoint,
) -> None:
    async with TcpServer() as sent_by, await endpoint.connect() as peer:
        peer.send(USUAL + b"GET / HTTP/1.1\r\n\r\n")
        _, flow = await endpoint.next()
        assert await peer.reader.read() == b""
        endpoint.send(ANSWER, flow._replace(port=sent_by.port))
        assert await (await sent_by.next()).read(len(ANSWER)) == ANSWER


async def test_the_loop_runs_after_each_batch_of_a_segment(endpoint: Endpoint) -> None:
    """Beyond the RFCs."""
    turns: list[int] = []

    def receive(data: bytes, flow: Flow) -> None:
        endpoint.receive(data, flow)
        if not turns or turns[-1] != -1:
            turns.append(-1)
            endpoint.loop.call_soon(lambda: turns.__setitem__(-1, endpoint.arrived.qsize()))

    endpoint.sockets.attach(receive)
    async with await endpoint.connect() as peer:
        peer.send(MANY * (MAX_BATCH * 5) + b"\r\n\r\n")
        assert await peer.read(2) == b"\r\n"
    assert endpoint.arrived.qsize() == MAX_BATCH * 5
    assert turns
    assert max(b - a for a, b in zip([0, *turns], turns, strict=False)) <= MAX_BATCH


async def test_messages_larger_than_a_segment_arrive_in_their_order(endpoint: Endpoint) -> None:
    messages = [
        b"A sip:a@b SIP/2.0\r\nl:%d\r\n\r\n" % 60_000 + bytes([number]) * 60_000
        for number in range(40)
    ]
    assert sum(map(len, messages)) > 30 * MAX_BATCH_BYTES
    async with await endpoint.connect() as peer:
        peer.send(b"".join(messages))
        assert [(await endpoint.next())[0] for _ in messages] == messages
        peer.send(USUAL)
        assert (await endpoint.next())[0] == USUAL


async def test_a_malformed_message_behind_many_good_ones_is_found(endpoint: Endpoint) -> None:
    async with await endpoint.connect() as peer:
        peer.send(MANY * (MAX_BATCH * 3) + b"GET / HTTP/1.1\r\n\r\n" + MANY)
        assert await peer.closed()
    assert endpoint.arrived.qsize() == MAX_BATCH * 3
    assert endpoint.dropped == ["malformed"]


async def test_the_kernel_finds_out_that_a_peer_is_gone(
    endpoint: Endpoint,
) -> None:
    """Beyond the RFCs: a peer that is gone without closing its connection is found out."""
    async with TcpServer() as upstream, await endpoint.connect():
        endpoint.send(b"1", Flow("TCP", "127.0.0.1", upstream.port, 2))
        await upstream.next()
        await endpoint.until_connections_are(2)
        for connection in (*endpoint.sockets._tcp.accepted, *endpoint.sockets._tcp.ours):
            assert connection._transport
            kept = connection._transport.get_extra_info("socket")
            level = socket.IPPROTO_TCP
            assert kept.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            asked = kept.getsockopt(level, socket.TCP_KEEPIDLE)
            again = kept.getsockopt(level, socket.TCP_KEEPINTVL)
            often = kept.getsockopt(level, socket.TCP_KEEPCNT)
            assert 10 <= asked + again * often <= 20
            assert 10_000 <= kept.getsockopt(level, socket.TCP_USER_TIMEOUT) <= 20_000
