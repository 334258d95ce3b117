"""An HTTP server that can be closed and opened again on the same port."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    import ssl

_SHUTDOWN_TIMEOUT = 0.05  # seconds that close() waits for active requests


class ReopenableServer(ABC):
    """A server whose requests are answered by ``handle``; ``url`` is its address."""

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
        """Listen on a port; 0 chooses a free one."""
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
        self._handler.pre_shutdown()  # closes idle connections: shutdown would wait for them
        await self._handler.shutdown(_SHUTDOWN_TIMEOUT)

    @abstractmethod
    def connection_accepted(self) -> None:
        """Observe a new connection."""

    @abstractmethod
    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the response to a request."""

    def _accept(self) -> asyncio.Protocol:
        self.connection_accepted()
        return self._handler()
