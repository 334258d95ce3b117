"""The HTTP server: ``/metrics``, ``/healthz`` and ``/readyz``.

It runs on the loop that serves calls, so it never holds the loop for long: a scrape is made metric
by metric, and connections and requests are limited in number and size.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, Metric, generate_latest
from prometheus_client.registry import Collector

from sip_stager import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client import CollectorRegistry

MAX_CONNECTIONS = 64  # far more than scrapers and probes need; the oldest gives way to a new one
IDLE_TIMEOUT = 75.0  # seconds; longer than scrapers pause
MAX_BODY_BYTES = 1024  # of a request: none of ours has a body

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "sip-stager",
    "X-Content-Type-Options": "nosniff",
}

_INDEX = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>sip-stager</title></head>
<body><h1>sip-stager {__version__}</h1><ul>
<li><a href="/metrics">/metrics</a>: metrics for Prometheus</li>
<li><a href="/healthz">/healthz</a>: liveness</li>
<li><a href="/readyz">/readyz</a>: readiness for calls</li>
</ul></body></html>
"""


def _logger() -> logging.Logger:
    """Return a logger for our own bugs, without the errors of strangers who send no HTTP."""
    logger = logging.getLogger("aiohttp.server")
    logger.addFilter(_is_no_http_error)
    return logger


def _is_no_http_error(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


class _Slice(Collector):
    """One metric, as the registry that ``generate_latest`` asks for."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


class HttpServer:
    """The server of the metrics and the health checks.

    ``ready`` returns whether new calls are taken, and if not, the reasons in words.
    """

    def __init__(
        self,
        address: str,
        port: int,
        registry: CollectorRegistry,
        ready: Callable[[], tuple[bool, Sequence[str]]],
    ) -> None:
        self._address = address
        self._port = port
        self._registry = registry
        self._ready = ready
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            logger=_logger(),
            keepalive_timeout=IDLE_TIMEOUT,
            shutdown_timeout=1.0,
        )
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, also if 0 asked for a free one."""
        if self._server is None:
            return self._port
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Start listening; raises ``OSError`` if the address cannot be listened on."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, self._address, self._port)
        except OSError:
            await self._runner.cleanup()
            raise

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._runner.cleanup()

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None  # noqa: S101  # set up before anything is listened on
        connections = server.connections
        if len(connections) >= MAX_CONNECTIONS:
            connections[0].force_close()  # a scraper gets in, even among strangers who hold all
        return server()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.on_response_prepare.append(_add_security_headers)
        application.add_routes(
            [
                web.get("/", _index),
                web.get("/metrics", self._metrics),
                web.get("/healthz", _alive),
                web.get("/readyz", self._readiness),
            ]
        )
        return application

    async def _metrics(self, _request: web.Request) -> web.Response:
        """Answer a scrape; the loop does its other work between one metric and the next."""
        slices = []
        for metric in self._registry.collect():
            slices.append(generate_latest(_Slice(metric)))
            await asyncio.sleep(0)  # all at once would hold the loop for milliseconds
        return web.Response(
            body=b"".join(slices), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        )

    async def _readiness(self, _request: web.Request) -> web.Response:
        ready, reasons = self._ready()
        if ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="".join(f"{reason}\n" for reason in reasons))


async def _index(_request: web.Request) -> web.Response:
    return web.Response(text=_INDEX, content_type="text/html")


async def _alive(_request: web.Request) -> web.Response:
    return web.Response(text="alive\n")


async def _add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
