"""Connections of the HTTP server follow RFC 9112, and are limited in time and size."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from sip_stager.observability import http_connection
from sip_stager.observability.http_connection import (
    MAX_HEAD_BYTES,
    ConnectionState,
    HttpConnection,
    PageRequest,
    PageResponse,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUEST = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


class Scene:
    """A server of one page, and a peer that is connected to it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.connections: dict[HttpConnection, None] = {}
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.body = b"the page"

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(
            lambda: HttpConnection(self._answer, self.connections), "127.0.0.1", 0
        )
        port = self.server.sockets[0].getsockname()[1]
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)

    async def close(self) -> None:
        self.server.close()
        self.writer.close()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)

    async def _answer(self, request: PageRequest) -> PageResponse:
        path = request.path
        self.asked.append((request.method, path))
        await self.may_answer.wait()
        if path == "/broken":
            raise ZeroDivisionError
        return PageResponse(HTTPStatus.OK, self.body)

    async def response(self, *, head: bool = False) -> tuple[str, dict[str, str], bytes]:
        """Return the status line, the fields and the body of the next response."""
        async with asyncio.timeout(5):
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            line, *rows = text.split("\r\n")[:-2]
            fields = dict(row.split(": ", 1) for row in rows)
            size = 0 if head else int(fields["Content-Length"])
            return line, fields, await self.reader.readexactly(size)

    async def ended(self) -> bool:
        """True if the server sends nothing more and ends the connection."""
        async with asyncio.timeout(5):
            return await self.reader.read() == b""


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    await scene.connect()
    yield scene
    await scene.close()


async def test_a_connection_is_kept_for_further_requests(scene: Scene) -> None:
    for _ in range(3):
        scene.writer.write(REQUEST)
        line, fields, body = await scene.response()
        assert (line, body) == ("HTTP/1.1 200 OK", b"the page")
        assert fields["Content-Type"] == "text/plain; charset=utf-8"
        assert fields["Date"].endswith(" GMT")
        assert "Connection" not in fields


@pytest.mark.parametrize("size", [1, 7])
async def test_a_request_may_come_in_small_parts(scene: Scene, size: int) -> None:
    for start in range(0, len(REQUEST), size):
        scene.writer.write(REQUEST[start : start + size])
        await asyncio.sleep(0.001)
    assert (await scene.response())[2] == b"the page"
    assert scene.asked == [("GET", "/page")]


async def test_a_response_to_head_has_no_body(scene: Scene) -> None:
    scene.writer.write(REQUEST.replace(b"GET", b"HEAD"))
    _, fields, _ = await scene.response(head=True)
    assert fields["Content-Length"] == "8"
    scene.writer.write(REQUEST)
    assert (await scene.response())[2] == b"the page"


@pytest.mark.parametrize(
    "target", [b"/page?query=1", b"http://example.com/page", b"http://example.com:9090/page?x"]
)
async def test_the_path_is_found_in_each_form_of_the_target(scene: Scene, target: bytes) -> None:
    scene.writer.write(REQUEST.replace(b"/page", target))
    await scene.response()
    assert scene.asked == [("GET", "/page")]


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        REQUEST.replace(b"Host: x", b"Host: x\r\nConnection: close"),
        REQUEST.replace(b"Host: x", b"Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c"),
        REQUEST.replace(b"Host: x", b"Host: x\r\nContent-Length: 99") + b"part of a body",
        REQUEST.replace(b"Host: x", b"Host: x\r\nTransfer-Encoding: chunked") + b"5\r\nab",
    ],
    ids=["HTTP 1.0", "close", "upgrade", "body", "chunks"],
)
async def test_a_connection_that_cannot_go_on_ends_after_the_response(
    scene: Scene, request_: bytes
) -> None:
    scene.writer.write(request_)
    line, fields, body = await scene.response()
    assert (line, fields["Connection"], body) == ("HTTP/1.1 200 OK", "close", b"the page")
    assert await scene.ended()


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_request_that_does_not_wait_for_its_response_is_not_answered(
    scene: Scene, *, at_once: bool
) -> None:
    scene.may_answer.clear()
    if at_once:
        scene.writer.write(REQUEST + REQUEST.replace(b"page", b"other"))
    else:
        scene.writer.write(REQUEST)
        await asyncio.sleep(0.01)
        scene.writer.write(REQUEST.replace(b"page", b"other"))
    await asyncio.sleep(0.01)
    scene.may_answer.set()
    _, fields, _ = await scene.response()
    assert fields["Connection"] == "close"
    assert await scene.ended()
    assert scene.asked == [("GET", "/page")]


@pytest.mark.parametrize("size", [10, 1_000_000])
async def test_a_body_is_discarded(scene: Scene, size: int) -> None:
    head = REQUEST.replace(b"GET", b"POST").replace(b"x\r\n", b"x\r\nContent-Length: %d\r\n" % size)
    scene.writer.write(head + b"x" * size)
    assert (await scene.response())[2] == b"the page"
    await scene.writer.drain()


async def test_a_head_beyond_its_limit_is_refused(scene: Scene) -> None:
    scene.writer.write(REQUEST[:-2] + b"X: y\r\n" * (MAX_HEAD_BYTES // 6 + 1))
    line, fields, _ = await scene.response()
    assert (line.split()[1], fields["Connection"]) == ("431", "close")
    assert await scene.ended()
    assert scene.asked == []


async def test_what_follows_a_refusal_is_discarded(scene: Scene) -> None:
    scene.writer.write(b"no HTTP\r\n\r\n")
    assert (await scene.response())[0] == "HTTP/1.1 400 Bad Request"
    scene.writer.write(REQUEST)
    assert await scene.ended()
    assert scene.asked == []


@pytest.mark.parametrize("target", [b"http://[/page", b"http://x:99999/page"])
async def test_a_target_that_is_no_uri_is_refused(scene: Scene, target: bytes) -> None:
    scene.writer.write(REQUEST.replace(b"/page", target))
    assert (await scene.response())[0] == "HTTP/1.1 400 Bad Request"


async def test_an_exception_is_logged_and_answered_with_500(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.writer.write(REQUEST.replace(b"page", b"broken"))
    assert (await scene.response())[0] == "HTTP/1.1 500 Internal Server Error"
    assert caplog.messages == ["page_failed"]
    scene.writer.write(REQUEST)
    assert (await scene.response())[0] == "HTTP/1.1 200 OK"


@pytest.mark.parametrize("sent", [b"", REQUEST[:20], REQUEST * 2], ids=["none", "part", "after"])
async def test_a_connection_ends_after_its_timeout(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setitem(http_connection._TIMEOUTS, ConnectionState.READING, 0.05)
    monkeypatch.setattr(http_connection, "CLOSING_TIMEOUT", 0.05)
    scene = Scene()
    await scene.connect()
    scene.writer.write(sent)
    async with asyncio.timeout(5):
        while scene.connections or not scene.reader.at_eof():
            await scene.reader.read(4096)
            await asyncio.sleep(0.01)
    await scene.close()


async def test_a_peer_that_does_not_read_its_responses_is_not_read_either(scene: Scene) -> None:
    scene.body = bytes(1 << 20)
    for _ in range(30):
        scene.writer.write(REQUEST)
        await asyncio.sleep(0.005)
    assert len(scene.asked) < 30
    assert len((await scene.response())[2]) == 1 << 20


async def test_an_answer_ends_with_its_connection(scene: Scene) -> None:
    scene.may_answer.clear()
    scene.writer.write(REQUEST)
    await asyncio.sleep(0.01)
    tasks = len(asyncio.all_tasks())
    scene.writer.transport.abort()
    await asyncio.sleep(0.05)
    assert len(asyncio.all_tasks()) == tasks - 1
    assert not scene.connections
