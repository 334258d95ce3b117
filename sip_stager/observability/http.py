"""The HTTP server: ``/metrics``, ``/healthz`` and ``/readyz``.

It runs on the loop that serves calls, so each of its answers is short: a scrape is made in
slices, and the number and the size of what strangers may send is bounded.
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

MOST_CONNECTIONS = 64
"""Open at once, far above what scrapers and probes need; the oldest gives way to a new one."""

IDLE = 75.0
"""Seconds that a connection may wait for its next request: longer than scrapers pause."""

MOST_BODY = 1024
"""Bytes in a request's body: no request here has one."""

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
<li><a href="/healthz">/healthz</a>: is the program alive?</li>
<li><a href="/readyz">/readyz</a>: does it take calls?</li>
</ul></body></html>
"""


def _quiet() -> logging.Logger:
    """Make a logger that keeps our own mistakes, and not what strangers send instead of HTTP."""
    logger = logging.getLogger("aiohttp.server")
    logger.addFilter(_no_nonsense)
    return logger


def _no_nonsense(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


class _Slice(Collector):
    """One metric, in the form of a registry."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


class HttpServer:
    """Serves until it is stopped.

    ``ready`` tells whether new calls are taken, and if not, the reasons in words.
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
            logger=_quiet(),
            keepalive_timeout=IDLE,
            shutdown_timeout=1.0,
        )
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, also where 0 asked for any."""
        if self._server is None:
            return self._port
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen; raises ``OSError`` when the address can not be had."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, self._address, self._port)
        except OSError:
            await self._runner.cleanup()
            raise

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._runner.cleanup()

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None  # noqa: S101  # set up before anything is listened on
        connections = server.connections
        if len(connections) >= MOST_CONNECTIONS:
            connections[0].force_close()
        return server()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=MOST_BODY)
        application.on_response_prepare.append(_harden)
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
        """Answer a scrape, the loop's other work between one metric and the next."""
        slices = []
        for metric in self._registry.collect():
            slices.append(generate_latest(_Slice(metric)))
            await asyncio.sleep(0)
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


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
