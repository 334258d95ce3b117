"""OPTIONS show whether a peer can be reached, and whether it takes calls."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from sip_stager.transport.options_ping import Peer, ping
from tests.support.messages import response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Datagrams(asyncio.DatagramProtocol):
    """A UDP peer that sends what ``answer`` returns for each request."""

    def __init__(self, answer: Callable[[Request], list[bytes]]) -> None:
        self.answer = answer
        self.requests: list[Request] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = parse(data)
        assert isinstance(asked, Request)
        self.requests.append(asked)
        for said in self.answer(asked):
            self.transport.sendto(said, addr)


@asynccontextmanager
async def udp_peer(
    answer: Callable[[Request], list[bytes]],
) -> AsyncIterator[tuple[Peer, Datagrams]]:
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_datagram_endpoint(
        lambda: Datagrams(answer), local_addr=("127.0.0.1", 0)
    )
    try:
        yield Peer("127.0.0.1", transport.get_extra_info("sockname")[1], "udp", "127.0.0.1"), peer
    finally:
        transport.close()


@pytest.mark.parametrize("status", [200, 403, 404, 405, 480, 483, 500, 603])
async def test_any_final_response_but_503_shows_a_peer_that_takes_calls(status: int) -> None:
    async with udp_peer(lambda asked: [bytes(response(asked, status))]) as (peer, heard):
        assert await ping(peer, 10.0) == ""
    (asked,) = heard.requests
    assert (asked.method, asked.uri_text) == (b"OPTIONS", b"sip:127.0.0.1:%d" % peer.port)
    assert asked.max_forwards == 70


async def test_a_503_says_that_the_peer_takes_no_calls() -> None:
    async with udp_peer(lambda asked: [bytes(response(asked, 503))]) as (peer, _):
        assert await ping(peer, 10.0) == "it answered OPTIONS with 503: it takes no calls now"


async def test_provisional_and_strange_datagrams_are_no_answer() -> None:
    def answer(asked: Request) -> list[bytes]:
        other = bytes(response(asked, 503)).replace(asked.call_id, b"another")
        return [b"hello", other, bytes(response(asked, 100)), bytes(response(asked, 200))]

    async with udp_peer(answer) as (peer, _):
        assert await ping(peer, 10.0) == ""


async def test_a_lost_datagram_is_repeated_and_silence_is_reported() -> None:
    answers = iter([[], [b"SIP/2.0 200 OK\r\n"]])

    def answer(asked: Request) -> list[bytes]:
        return [said + b"Call-ID: %b\r\n\r\n" % asked.call_id for said in next(answers, [])]

    async with udp_peer(answer) as (peer, heard):
        assert await ping(peer, 10.0) == ""
        assert len(heard.requests) == 2
        assert await ping(peer, 0.2) == "no answer to OPTIONS within 0.2 s"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_port_without_a_listener_is_reported_at_once(transport: str) -> None:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert await ping(Peer("127.0.0.1", port, transport), 10.0) == "connection refused"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"SIP/2.0 100 Trying\r\n\r\nSIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        (b"SIP/2.0 503 No\r\n\r\n", "it answered OPTIONS with 503: it takes no calls now"),
        (b"", "it closed the connection"),
        (b"x" * 100_000, "its answer is not SIP"),
    ],
)
async def test_a_peer_can_be_asked_over_tcp(said: bytes, why: str) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await ping(Peer("127.0.0.1", port, "tcp"), 10.0) == why
    (asked,) = heard
    assert re.match(
        rb"OPTIONS sip:127\.0\.0\.1:\d+;transport=tcp SIP/2\.0\r\nVia: SIP/2\.0/TCP ", asked
    )
