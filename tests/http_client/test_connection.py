from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from sip_stager.http_client.client import HttpTransport
from tests.support.scripted_api import Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TLS = httpx.create_ssl_context()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    async with HttpTransport(
        tls=TLS, headers={"X-Api-Key": "key"}, connections=2, max_body_bytes=64
    ) as transport:
        yield transport


async def ask(transport: HttpTransport, url: str, method: str = "GET") -> httpx.Response:
    return await transport.handle_async_request(httpx.Request(method, url))


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (OK, 200, b"ok"),
        (b"HTTP/1.1 200\r\ncontent-length:2\r\nX-Empty:\r\n\r\nok", 200, b"ok"),
        (CHUNKED + b"1;a=b\r\no\r\n1\r\nk\r\n0\r\nX-Trailer: c\r\n\r\n", 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 H\r\nLink: a\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 500 Oh\r\nContent-Encoding: identity\r\nContent-Length: 0\r\n\r\n", 500, b""),
    ],
)
async def test_a_whole_answer_is_read(
    transport: HttpTransport, said: bytes, status: int, body: bytes
) -> None:
    async with Scripted(said) as server:
        response = await ask(transport, server.url)
    assert (response.status_code, response.content) == (status, body)
    assert response.extensions["unread"] == ""
    assert not {"link", "x-trailer"} & set(response.headers)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_can_end_with_the_connection(transport: HttpTransport, version: bytes) -> None:
    async with Scripted(b"HTTP/%b 200 OK\r\n\r\nok" % version, closes=True) as server:
        assert (await ask(transport, server.url)).content == b"ok"


async def test_an_answer_may_come_byte_by_byte(transport: HttpTransport) -> None:
    async with Scripted(b"") as server:
        asking = asyncio.create_task(ask(transport, server.url))
        await server.heard.wait()
        for byte in CHUNKED + b"2\r\nok\r\n0\r\n\r\n":
            server.writers[0].write(bytes([byte]))
            await asyncio.sleep(0)
        response = await asking
    assert response.content == b"ok"
    assert response.headers["transfer-encoding"] == "chunked"


async def test_the_answer_to_head_has_no_body(transport: HttpTransport) -> None:
    async with Scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", OK) as server:
        assert (await ask(transport, server.url, "HEAD")).content == b""
        assert (await ask(transport, server.url, "HEAD")).headers["Content-Length"] == "9"


async def test_a_request_is_written_as_it_should_be(transport: HttpTransport) -> None:
    async with Scripted(OK, OK) as server:
        headers = {"X-Api-Key": "another", "Content-Type": "text/plain", "Connection": "close"}
        request = httpx.Request("POST", server.url, headers=headers, content=b"{}")
        await transport.handle_async_request(request)
        await ask(transport, server.url)
    host = b"Host: 127.0.0.1:%d\r\n" % server.port
    assert server.requests == [
        b"POST /a?b=c HTTP/1.1\r\n" + host + b"X-Api-Key: key\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /a?b=c HTTP/1.1\r\n" + host + b"X-Api-Key: key\r\n\r\n",
    ]


async def test_a_body_that_streams_is_sent_whole(transport: HttpTransport) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    async with Scripted(OK) as server:
        await transport.handle_async_request(httpx.Request("POST", server.url, content=pieces()))
    assert server.requests[0].endswith(b"Content-Length: 2\r\n\r\nab")
    assert b"chunked" not in server.requests[0]


async def test_a_header_with_a_line_break_is_not_sent(transport: HttpTransport) -> None:
    request = httpx.Request("GET", "http://127.0.0.1:1/", headers={"A": "b\r\nC: d"})
    with pytest.raises(httpx.LocalProtocolError, match="a line break within a header"):
        await transport.handle_async_request(request)


async def test_only_http_is_spoken(transport: HttpTransport) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        await ask(transport, "ftp://127.0.0.1:1/")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n" + b"x" * 65,
        CHUNKED + b"40\r\n" + b"x" * 64 + b"\r\n1\r\nx\r\n",
        CHUNKED + b"ffffff\r\n" + b"x" * 100_000,
    ],
)
async def test_a_body_over_the_limit_is_left_unread_and_its_connection_closed(
    transport: HttpTransport, said: bytes
) -> None:
    async with Scripted(said) as server:
        response = await ask(transport, server.url)
        await server.ends(1)
    assert (response.status_code, response.content) == (200, b"")
    assert response.extensions["unread"] == "its body is over 64 bytes"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000, "headers are over 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000, "headers are over 65536 bytes"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000, "headers are over 65536 bytes"),
        (CHUNKED + b"1;" + b"a" * 100_000, "headers are over 65536 bytes"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", "not HTTP"),
        (CHUNKED + b"zz\r\n", "not HTTP"),
        (b"HTTP/2 200\r\n\r\n", "not HTTP"),
    ],
)
async def test_an_answer_that_is_none_ends_its_connection(
    transport: HttpTransport, said: bytes, words: str
) -> None:
    async with Scripted(said) as server:
        with pytest.raises(httpx.RemoteProtocolError, match=words):
            await ask(transport, server.url)
        await server.ends(1)
    assert len(server.requests) == 1


@pytest.mark.parametrize("said", [CHUNKED + b"9\r\nok", OK[:-1], OK[:9], b"\r\n"])
async def test_a_part_of_an_answer_is_no_answer(transport: HttpTransport, said: bytes) -> None:
    async with Scripted(said, closes=True) as server:
        with pytest.raises(httpx.ReadError, match="was closed within the answer"):
            await ask(transport, server.url)


@pytest.mark.parametrize(
    ("said", "connections"),
    [
        (OK, 1),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 3),
        (OK + OK, 3),
        (OK + b"HTTP/1.1 2", 3),
        (OK + b"garbage", 3),
    ],
)
async def test_a_connection_is_used_again_where_both_sides_keep_it(
    transport: HttpTransport, said: bytes, connections: int
) -> None:
    async with Scripted(said, said, said) as server:
        for _ in range(3):
            assert (await ask(transport, server.url)).is_success
    assert (server.connections, len(server.requests)) == (connections, 3)


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\n", b"garbage", OK])
async def test_what_nobody_asked_for_ends_an_idle_connection(
    transport: HttpTransport, said: bytes
) -> None:
    async with Scripted(OK, OK) as server:
        await ask(transport, server.url)
        server.writers[0].write(said)
        await server.ends(1)
        assert (await ask(transport, server.url)).content == b"ok"
    assert (server.connections, len(server.requests)) == (2, 2)
