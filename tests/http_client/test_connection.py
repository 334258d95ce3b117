from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from sip_stager.http_client import Broken, Client, HttpResponse, Result
from tests.support.scripted_api import Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def client_of(server: Scripted) -> AsyncIterator[Client]:
    url = f"http://127.0.0.1:{server.port}"
    client = Client(url, fields={"X-Api-Key": "key"}, connections=2, max_body_bytes=64)
    try:
        yield client
    finally:
        await client.aclose()


async def ask(client: Client, method: str = "GET") -> Result:
    return await client.exchange(client.prepare(method, "/a?b=c"), b"", {})


async def response_of(client: Client, method: str = "GET") -> HttpResponse:
    result = await ask(client, method)
    assert isinstance(result, HttpResponse)
    return result


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
async def test_a_whole_response_is_read(said: bytes, status: int, body: bytes) -> None:
    async with Scripted(said) as server, client_of(server) as client:
        response = await response_of(client)
    assert (response.status, response.body, response.unread) == (status, body, "")
    assert not {b"link", b"x-trailer"} & {name for name, _ in response.fields}


@pytest.mark.parametrize(
    ("said", "status"), [(b"099", 99), (b"042", 42), (b"000", 0), (b"99", 0), (b"5", 0), (b"-1", 0)]
)
async def test_a_status_below_100_ends_the_exchange_at_once(said: bytes, status: int) -> None:
    """By RFC 9110 15 "values outside the range 100..599 are invalid": none follows them."""
    head = b"HTTP/1.1 %b What\r\nContent-Length: 2\r\n\r\n" % said
    async with Scripted(head + b"ok" + OK) as server, client_of(server) as client:
        response = await asyncio.wait_for(response_of(client), 5)
    assert (response.status, response.body) == (status, b"")
    assert response.unread == "its status is not one of HTTP"


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_can_end_with_the_connection(version: bytes) -> None:
    said = b"HTTP/%b 200 OK\r\n\r\nok" % version
    async with Scripted(said, closes=True) as server, client_of(server) as client:
        assert (await response_of(client)).body == b"ok"


async def test_a_response_may_come_byte_by_byte() -> None:
    async with Scripted(b"") as server, client_of(server) as client:
        asking = asyncio.create_task(response_of(client))
        await server.received.wait()
        for byte in CHUNKED + b"2\r\nok\r\n0\r\n\r\n":
            server.writers[0].write(bytes([byte]))
            await asyncio.sleep(0)
        response = await asking
    assert response.body == b"ok"
    assert response.value(b"transfer-encoding") == "chunked"


async def test_fields_of_several_lines_are_joined_and_an_absent_one_is_none() -> None:
    said = b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\na:\t\xe9 \r\n\r\n"
    async with Scripted(said) as server, client_of(server) as client:
        response = await response_of(client)
    assert (response.value(b"a"), response.value(b"date")) == ("b, \xe9", None)


async def test_the_response_to_head_has_no_body() -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    async with Scripted(said, OK) as server, client_of(server) as client:
        for _ in range(2):
            response = await response_of(client, "HEAD")
            assert (response.body, response.value(b"content-length")) == (b"", "9")
    assert server.connections == 2


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n" + b"x" * 65,
        CHUNKED + b"40\r\n" + b"x" * 64 + b"\r\n1\r\nx\r\n",
        CHUNKED + b"ffffff\r\n" + b"x" * 100_000,
    ],
)
async def test_a_body_over_the_limit_is_not_read_and_its_connection_is_closed(said: bytes) -> None:
    async with Scripted(said) as server, client_of(server) as client:
        response = await response_of(client)
        await server.connections_have_ended(1)
    assert (response.status, response.body) == (200, b"")
    assert response.unread == "its body is over 64 bytes"


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + b"x" * 64
    async with Scripted(said) as server, client_of(server) as client:
        response = await response_of(client)
    assert (response.body, response.unread) == (b"x" * 64, "")


async def test_a_body_may_be_larger_than_the_limit_of_a_head() -> None:
    body = b"x" * 200_000
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + body
    async with Scripted(said, said) as server:
        client = Client(
            f"http://127.0.0.1:{server.port}", fields={}, connections=1, max_body_bytes=len(body)
        )
        for _ in range(2):
            assert (await response_of(client)).body == body
        await client.aclose()
    assert server.connections == 1


@pytest.mark.parametrize("coding", [b"gzip", b"identity, br", b"x"])
async def test_a_compressed_body_is_not_read_and_its_connection_is_closed(coding: bytes) -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: 2\r\n\r\nok" % coding
    async with Scripted(said) as server, client_of(server) as client:
        response = await response_of(client)
        await server.connections_have_ended(1)
    assert (response.status, response.body) == (200, b"")
    assert response.unread == "it is compressed, which was not asked for"


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
async def test_a_response_that_is_not_http_breaks_its_connection(said: bytes, words: str) -> None:
    async with Scripted(said) as server, client_of(server) as client:
        result = await ask(client)
        await server.connections_have_ended(1)
    assert isinstance(result, Broken)
    assert words in result.text
    assert len(server.requests) == 1


@pytest.mark.parametrize("said", [CHUNKED + b"9\r\nok", OK[:-1], OK[:9], b"\r\n"])
async def test_a_part_of_a_response_is_a_broken_connection(said: bytes) -> None:
    async with Scripted(said, closes=True) as server, client_of(server) as client:
        assert await ask(client) == Broken("the connection was closed within the answer")


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
async def test_a_connection_is_used_again_if_both_sides_keep_it(
    said: bytes, connections: int
) -> None:
    async with Scripted(said, said, said) as server, client_of(server) as client:
        for _ in range(3):
            assert (await response_of(client)).status < 300
    assert (server.connections, len(server.requests)) == (connections, 3)


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\n", b"garbage", OK])
async def test_bytes_without_a_request_end_an_idle_connection(said: bytes) -> None:
    async with Scripted(OK, OK) as server, client_of(server) as client:
        await ask(client)
        server.writers[0].write(said)
        await server.connections_have_ended(1)
        assert (await response_of(client)).body == b"ok"
    assert (server.connections, len(server.requests)) == (2, 2)
