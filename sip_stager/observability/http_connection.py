"""A connection of the HTTP server: HTTP/1.1 (RFC 9112) for a few small pages, all of it limited.

A request is its method, its target and its peer.  Its header fields are parsed and not kept, and
its body is discarded, since no page has a use for either::

    READING -- head complete --> ANSWERING -- answered, may go on --> READING
       |                             |
       | no HTTP, head too long      | no keep-alive, a body, or a request that did not wait
       v                             v
    CLOSING: all is written, what arrives is discarded --> the peer closes, or a timeout

A peer that still sends when its connection is closed may lose the response (RFC 9112 9.6), so the
last phase keeps reading for a while.
"""

from __future__ import annotations

import asyncio
import logging
from email.utils import formatdate
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, cast

import httptools

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Answer = Callable[["PageRequest"], Coroutine[None, None, "PageResponse"]]

MAX_HEAD_BYTES = 16 * 1024  # of a request; those of scrapers and probes have a few hundred
IDLE_TIMEOUT = 75.0  # seconds for a whole request; longer than scrapers pause
CLOSING_TIMEOUT = 2.0  # seconds for the peer to read the last response

_TEXT = "text/plain; charset=utf-8"
_FIELDS = (
    "Server: sip-stager\r\n"
    "Cache-Control: no-store\r\n"
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Content-Type-Options: nosniff\r\n"
)

log = logging.getLogger(__name__)


class ConnectionState(Enum):
    """The phase of a connection."""

    READING = "reading"
    ANSWERING = "answering"
    CLOSING = "closing"


_TIMEOUTS = {ConnectionState.READING: IDLE_TIMEOUT, ConnectionState.ANSWERING: IDLE_TIMEOUT}


class PageRequest(NamedTuple):
    """A request; ``peer`` is the IP address that it came from."""

    method: str
    path: str
    query: str = ""
    peer: str = ""


class PageResponse(NamedTuple):
    """A response; ``allow`` lists the methods of a page, in a 405."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = _TEXT
    allow: str = ""

    @classmethod
    def of_status(cls, status: HTTPStatus, allow: str = "") -> PageResponse:
        """Return a response whose body is its status."""
        return cls(status, f"{status.value} {status.phrase}\n".encode(), allow=allow)


class HttpConnection(asyncio.Protocol):
    """The connection of one peer, which is in ``connections`` while it is open, the oldest first.

    ``answer`` returns the response to a request; it is not called twice at once.
    """

    def __init__(self, answer: Answer, connections: dict[HttpConnection, None]) -> None:
        self._answer, self._connections = answer, connections
        self._loop = asyncio.get_running_loop()
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._state = ConnectionState.READING
        self._target = b""
        self._head_bytes = 0
        self._keep_alive = self._complete = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        # The server listens on TCP; uvloop's transports are of no class of asyncio.
        self._transport = cast("asyncio.Transport", transport)
        self._connections[self] = None
        self._enter(ConnectionState.READING)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Release everything."""
        self._connections.pop(self, None)
        self._parser = self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        """Read no further request from a peer that does not read its responses."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on: the peer has caught up."""
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and begin to answer the request once its head is complete."""
        if self._state is not ConnectionState.READING or self._parser is None:
            self._keep_alive = False  # a body, or a request that did not wait for its response
            return
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._keep_alive = False  # the rest is in another protocol, which we do not speak
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if not self._complete:  # the rest of a body would be read as the next request
            self._keep_alive = False
        if self._head_bytes > MAX_HEAD_BYTES:  # without a head in them
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin a request; one that did not wait for a response ends the connection after it."""
        if self._state is ConnectionState.READING:
            self._complete = False
        else:
            self._keep_alive = False

    def on_url(self, part: bytes) -> None:
        """Collect the request target."""
        if self._state is ConnectionState.READING:
            self._target += part

    def on_headers_complete(self) -> None:
        """Begin to answer: nothing that follows the head matters."""
        if self._state is not ConnectionState.READING or self._parser is None:
            return
        self._keep_alive = self._parser.should_keep_alive()
        method, target = self._parser.get_method().decode(), self._target
        self._target, self._head_bytes = b"", 0
        self._enter(ConnectionState.ANSWERING)
        self._task = self._loop.create_task(self._respond(method, target))

    def on_message_complete(self) -> None:
        """Mark the request as read to its end, body included."""
        self._complete = True

    async def _respond(self, method: str, target: bytes) -> None:
        try:
            response = await self._answer(self._request(method, target))
        except httptools.HttpParserInvalidURLError:
            response = PageResponse.of_status(HTTPStatus.BAD_REQUEST)
        except Exception:  # our own bug must not leave the peer waiting
            log.exception("page_failed")
            response = PageResponse.of_status(HTTPStatus.INTERNAL_SERVER_ERROR)
        self._task = None
        self._write(response, with_body=method != "HEAD")

    def _request(self, method: str, target: bytes) -> PageRequest:
        url = httptools.parse_url(target)
        path, query = (url.path or b"/").decode("latin-1"), (url.query or b"").decode("latin-1")
        peer = self._transport.get_extra_info("peername") if self._transport else None
        return PageRequest(method, path, query, peer[0] if peer else "")

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer bytes that are no HTTP request; a response that is being made goes first."""
        self._keep_alive = False
        if self._state is ConnectionState.READING:
            self._write(PageResponse.of_status(status))

    def _write(self, response: PageResponse, *, with_body: bool = True) -> None:
        if self._transport is None:
            return
        self._transport.write(_head(response, self._keep_alive))
        if with_body:
            self._transport.write(response.body)
        self._enter(ConnectionState.READING if self._keep_alive else ConnectionState.CLOSING)

    def _enter(self, state: ConnectionState) -> None:
        self._state = state
        if self._timer is not None:
            self._timer.cancel()
        seconds = _TIMEOUTS.get(state, CLOSING_TIMEOUT)
        self._timer = self._loop.call_later(seconds, self.abort)
        if state is ConnectionState.CLOSING and self._transport is not None:
            self._transport.write_eof()


def _head(response: PageResponse, keep_alive: bool) -> bytes:  # noqa: FBT001
    status = response.status
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Date: {formatdate(usegmt=True)}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n{_FIELDS}"
    )
    if response.allow:
        lines += f"Allow: {response.allow}\r\n"
    if not keep_alive:
        lines += "Connection: close\r\n"
    return f"{lines}\r\n".encode("latin-1")
