"""Keepalives on the TCP connections that we opened (RFC 5626 3.5.1, 4.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.model.flow import Flow
from sip_stager.transport import stream_keepalives
from tests.support.torture import ANSWER
from tests.transport.endpoints import TcpServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.transport.endpoints import Endpoint

    Listen = Callable[..., Awaitable[Endpoint]]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stream_keepalives.KEEPALIVE_INTERVAL <= 25.0
    monkeypatch.setattr(stream_keepalives, "KEEPALIVE_INTERVAL", 0.05)


async def test_a_connection_that_we_opened_gets_a_double_line_break(endpoint: Endpoint) -> None:
    """RFC 5626 3.5.1: "a double-CRLF (\\r\\n\\r\\n)"."""
    async with TcpServer() as upstream, await endpoint.connect() as accepted:
        endpoint.send(b"request", Flow("TCP", "127.0.0.1", upstream.port, 2))
        opened = await upstream.next()
        assert await opened.read(7) == b"request"
        for _ in range(3):
            assert await opened.read(4) == b"\r\n\r\n"
            opened.send(b"\r\n")
        opened.send(b"\r\n" + ANSWER)  # an answer to a keepalive is no message
        assert (await endpoint.next())[0] == ANSWER
        accepted.send(ANSWER)
        assert (await endpoint.next())[0] == ANSWER
        accepted.send(b"\r\n\r\n")
        assert await accepted.read(2) == b"\r\n"  # nothing else came on it
    await endpoint.until_connections_are(0)
    assert endpoint.dropped == []


async def test_keepalives_and_their_answers_keep_no_idle_connection_open(listen: Listen) -> None:
    endpoint = await listen(idle_timeout=0.3)
    async with TcpServer() as upstream:
        endpoint.send(b"1", Flow("TCP", "127.0.0.1", upstream.port, 2))
        opened = await upstream.next()
        assert await opened.read(1) == b"1"
        assert await opened.read(4) == b"\r\n\r\n"
        opened.send(b"\r\n")
        assert await opened.closed()
    await endpoint.until_connections_are(0)
