"""An HTTP server that is opened, closed and opened again while a demo goes on."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    import ssl

_PATIENCE = 0.05  # seconds that closing waits for answers under way


class HttpServer(ABC):
    """Serves what ``handle`` answers; ``url`` says where."""

    def __init__(self) -> None:
        self.url = ""
        self._handler = web.Server(self.handle, handler_cancellation=True, access_log=None)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.serve()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def serve(
        self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen; port 0 takes a free one, and ``url`` says which."""
        self._server = await asyncio.get_running_loop().create_server(
            self._accept, host, port, ssl=tls, backlog=4096
        )
        port = self._server.sockets[0].getsockname()[1]
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def close(self) -> None:
        """Close the listener and every connection."""
        if self._server:
            self._server.close()
        self._handler.pre_shutdown()  # wakes the idle ones, which else are waited for
        await self._handler.shutdown(_PATIENCE)

    @abstractmethod
    def connected(self) -> None:
        """Take note of a connection."""

    @abstractmethod
    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""

    def _accept(self) -> asyncio.Protocol:
        self.connected()
        return self._handler()
