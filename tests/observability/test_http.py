from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sip_stager.observability import http
from sip_stager.observability.http import HttpServer
from tests.support.needed import need_ipv6

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Readiness:
    """The readiness that the test sets."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self) -> tuple[bool, list[str]]:
        return not self.reasons, self.reasons


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("calls", "Calls.", ["outcome"], registry=registry).labels("answered").inc(3)
    Gauge("lag_seconds", "Lag.", registry=registry).set(0.5)
    return registry


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
async def server(registry: CollectorRegistry, readiness: Readiness) -> AsyncIterator[HttpServer]:
    server = HttpServer("127.0.0.1", 0, registry, readiness)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(server: HttpServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
        yield client


async def test_a_scrape_has_the_librarys_output(
    client: aiohttp.ClientSession, registry: CollectorRegistry
) -> None:
    async with client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = await response.text()
    assert text.encode() == generate_latest(registry)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["calls"].samples[0].value == 3


async def test_the_loop_runs_between_the_metrics_of_a_scrape(
    client: aiohttp.ClientSession, registry: CollectorRegistry
) -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    seen: list[int] = []

    def read() -> float:
        seen.append(turns)
        return 0.0

    for name in ("first", "second"):
        Gauge(f"{name}_turn", "Turns.", registry=registry).set_function(read)
    turning = asyncio.create_task(turn())
    async with client.get("/metrics"):
        pass
    turning.cancel()
    assert seen[0] < seen[1]


async def test_healthz_is_ok_even_if_the_program_is_not_ready(
    client: aiohttp.ClientSession, readiness: Readiness
) -> None:
    readiness.reasons = ["draining"]
    async with client.get("/healthz") as response:
        assert (response.status, await response.text()) == (200, "alive\n")


async def test_readyz_is_ok_if_the_program_is_ready(client: aiohttp.ClientSession) -> None:
    async with client.get("/readyz") as response:
        assert (response.status, await response.text()) == (200, "ready\n")


async def test_readyz_has_the_reasons_if_the_program_is_not_ready(
    client: aiohttp.ClientSession, readiness: Readiness
) -> None:
    readiness.reasons = ["the API was not reached yet", "draining"]
    async with client.get("/readyz") as response:
        assert response.status == 503
        assert await response.text() == "the API was not reached yet\ndraining\n"


async def test_the_index_links_to_every_page(client: aiohttp.ClientSession) -> None:
    async with client.get("/") as response:
        assert response.content_type == "text/html"
        text = await response.text()
    for path in ("/metrics", "/healthz", "/readyz"):
        assert f'href="{path}"' in text
        async with client.get(path) as response:
            assert response.status == 200


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz", "/nowhere"])
async def test_every_response_has_security_headers(
    client: aiohttp.ClientSession, path: str
) -> None:
    async with client.get(path) as response:
        assert response.headers["Server"] == "sip-stager"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_other_paths_and_methods_are_refused(client: aiohttp.ClientSession) -> None:
    async with client.get("/%0d%0aX-Nasty:1?<script>") as response:
        assert response.status == 404
        assert "script" not in await response.text()
        assert "X-Nasty" not in response.headers
    async with client.post("/metrics", data=b"x" * 100_000) as response:
        assert response.status == 405


async def test_no_request_is_logged(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with client.get("/healthz"):
        pass
    assert [record.name for record in caplog.records if record.name.startswith("aiohttp")] == []


async def test_a_port_in_use_is_an_error(server: HttpServer) -> None:
    second = HttpServer("127.0.0.1", server.port, CollectorRegistry(), Readiness())
    with pytest.raises(OSError, match=str(server.port)):
        await second.start()
    await second.stop()


async def test_nothing_listens_after_the_stop() -> None:
    server = HttpServer("127.0.0.1", 0, CollectorRegistry(), Readiness())
    assert server.port == 0
    await server.start()
    port = server.port
    await server.stop()
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_the_oldest_connection_gives_way_to_a_new_one(
    server: HttpServer, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_CONNECTIONS", 3)
    silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
    async with client.get("/healthz") as response:
        assert response.status == 200
    assert await silent[0][0].read() == b""  # closed
    for _, writer in silent:
        writer.close()
        await writer.wait_closed()


async def test_the_server_listens_on_ipv6(registry: CollectorRegistry) -> None:
    need_ipv6()
    server = HttpServer("::1", 0, registry, Readiness())
    await server.start()
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://[::1]:{server.port}/healthz") as response,
    ):
        assert response.status == 200
    await server.stop()


async def test_a_malformed_http_request_is_answered_and_not_logged(
    server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"INVITE sip:x SIP/2.0\r\nVia: y\x00\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    assert caplog.records == []
