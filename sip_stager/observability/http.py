"""The HTTP server: ``/metrics``, ``/healthz``, ``/readyz``, and ``/api/`` if calls are recorded.

It runs on the loop that serves calls, so it never holds the loop for long: a scrape is made metric
by metric, and connections and requests are limited in number and size.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from http import HTTPStatus
from socket import socket
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, Metric, generate_latest
from prometheus_client.registry import Collector

from sip_stager import __version__
from sip_stager.observability.http_connection import HttpConnection, PageRequest, PageResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from prometheus_client import CollectorRegistry

    from sip_stager.observability.call_pages import CallPages

MAX_CONNECTIONS = 64  # far more than scrapers and probes need; the oldest gives way to a new one

_METHODS = ("GET", "HEAD")
_INDEX = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>sip-stager</title></head>
<body><h1>sip-stager {__version__}</h1><ul>
<li><a href="/metrics">/metrics</a>: metrics for Prometheus</li>
<li><a href="/healthz">/healthz</a>: liveness</li>
<li><a href="/readyz">/readyz</a>: readiness for calls</li>
</ul></body></html>
"""


class _Slice(Collector):
    """One metric, as the registry that ``generate_latest`` asks for."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


class HttpServer:
    """The server of the metrics and the health checks.

    ``ready`` returns whether new calls are taken, and the reasons why not, or what an operator must
    know all the same, in words.  ``calls`` has the pages below ``/api/``.
    """

    def __init__(
        self,
        address: str,
        port: int,
        registry: CollectorRegistry,
        ready: Callable[[], tuple[bool, Sequence[str]]],
        calls: CallPages | None = None,
    ) -> None:
        self.address = address
        self._port = port
        self._registry = registry
        self._ready = ready
        self._calls = calls
        self._pages: dict[str, Callable[[], Awaitable[PageResponse]]] = {
            "/": self._index,
            "/metrics": self._metrics,
            "/healthz": self._alive,
            "/readyz": self._readiness,
        }
        self._connections: dict[HttpConnection, None] = {}
        self._server: asyncio.Server | None = None
        self.given: socket | None = None
        """A listening socket to use instead of binding one."""

    @property
    def port(self) -> int:
        """The port that is listened on, also if 0 asked for a free one."""
        if self._server is None:
            return self._port
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Start listening; raises ``OSError`` if the address cannot be listened on."""
        loop = asyncio.get_running_loop()
        given, self.given = self.given, None
        if given is not None:
            self._server = await loop.create_server(self._accept, sock=given)
        else:
            self._server = await loop.create_server(self._accept, self.address, self._port)

    def lend(self) -> socket | None:
        """Return a copy of the listening socket; None if it does not listen."""
        if self._server is None:
            return None
        return socket(fileno=os.dup(self._server.sockets[0].fileno()))

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)  # the connections are told of their end in the loop's next turn

    def _accept(self) -> HttpConnection:
        if len(self._connections) >= MAX_CONNECTIONS:
            # A scraper gets in, even among strangers who hold all connections.
            oldest = next(iter(self._connections))
            del self._connections[oldest]
            oldest.abort()
        return HttpConnection(self._answer, self._connections)

    async def _answer(self, request: PageRequest) -> PageResponse:
        page = self._pages.get(request.path)
        calls = self._calls
        if page is None and calls is not None and request.path.startswith("/api/"):
            page = partial(calls.answer, request)
        if page is None:
            return PageResponse.of_status(HTTPStatus.NOT_FOUND)
        if request.method not in _METHODS:
            return PageResponse.of_status(HTTPStatus.METHOD_NOT_ALLOWED, ", ".join(_METHODS))
        return await page()

    async def _metrics(self) -> PageResponse:
        """Answer a scrape; the loop does its other work between one metric and the next."""
        slices = []
        for metric in self._registry.collect():
            slices.append(generate_latest(_Slice(metric)))
            await asyncio.sleep(0)  # all at once would hold the loop for milliseconds
        return PageResponse(HTTPStatus.OK, b"".join(slices), CONTENT_TYPE_PLAIN_0_0_4)

    async def _readiness(self) -> PageResponse:
        ready, reasons = self._ready()
        body = "".join(f"{reason}\n" for reason in reasons).encode()
        if ready:
            return PageResponse(HTTPStatus.OK, b"ready\n" + body)
        return PageResponse(HTTPStatus.SERVICE_UNAVAILABLE, body)

    async def _index(self) -> PageResponse:
        return PageResponse(HTTPStatus.OK, _INDEX.encode(), "text/html; charset=utf-8")

    async def _alive(self) -> PageResponse:
        return PageResponse(HTTPStatus.OK, b"alive\n")
