"""One HTTP/1.1 connection (RFC 9112), one request at a time.

::

    NEW --send--> SENT --first byte--> HEAD --head is read--> BODY --end--> IDLE --send--> SENT
                                                                |
                                                                '--end, and no keep-alive--> CLOSED

    any state --lost, aborted, unexpected bytes, over a limit--> CLOSED

A request is under way in SENT, HEAD and BODY; ``_result`` is then its future, and every way out of
these states settles it.  Interim responses (1xx) are read in HEAD.  A response to HEAD has no body,
which llhttp cannot know: it ends with its head, and its connection with it.

Ten thousand held calls may wait in SENT, so nothing that belongs to a response exists before its
first byte, nor after its end: a parser alone is most of a kilobyte.

Two facts decide what a lost connection means for its request:

- In SENT no byte of a response has come.  If the connection was idle before (never one that is
  NEW), its end may have *crossed* the request: see ``Pool``.
- From HEAD on the server has surely seen the request.

Failures are values: an exception would drag along the frames that sent the key.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from enum import Enum
from errno import ECONNRESET
from time import perf_counter
from typing import TYPE_CHECKING, cast

import httptools

from sip_stager.http_client.messages import HttpResponse
from sip_stager.http_client.results import Broken, Crossed, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.http_client.messages import RequestHead
    from sip_stager.http_client.results import Sent

MAX_HEAD_BYTES = 65536  # of a response besides its body, heads of chunks included
INVALID_STATUS = "its status is not one of HTTP"
_CLOSED = "the connection was closed before any answer"

_NO_RESPONSE = HttpResponse()
ConnectionState = Enum("ConnectionState", "NEW SENT HEAD BODY IDLE CLOSED")


class Connection(asyncio.Protocol):
    """The client's side of a connection; ``lost`` is called once, when it has ended.

    ``crossing_window`` is in seconds: an end so soon after a request has crossed it.
    ``retires_at`` is the loop's time from which the pool does not use it again.
    """

    __slots__ = (
        "_body", "_crosses_until", "_has_body", "_head_bytes", "_loop", "_lost", "_max_body_bytes",
        "_parser", "_response", "_result", "_state", "_transport", "crossing_window",
        "retires_at",
    )  # fmt: skip

    def __init__(self, max_body_bytes: int, lost: Callable[[Connection], None]) -> None:
        self.crossing_window = 0.0
        self.retires_at = 0.0
        self._max_body_bytes = max_body_bytes
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._state = ConnectionState.NEW
        self._parser: httptools.HttpResponseParser | None = None
        self._transport: asyncio.Transport
        # Of the request under way:
        self._result: asyncio.Future[Sent] | None = None
        self._has_body = True
        self._crosses_until: float | None = None  # None on a new connection
        # Of its response, from the first byte on:
        self._response = _NO_RESPONSE
        self._body: bytes | bytearray = b""
        self._head_bytes = 0  # all but its body

    @property
    def reusable(self) -> bool:
        """True if another request can be sent."""
        return self._state is ConnectionState.IDLE and not self._transport.is_closing()

    def send(self, head: RequestHead, body: bytes) -> asyncio.Future[Sent]:
        """Send a request; cancelling the future leaves a connection that is not reusable."""
        was_idle = self._state is ConnectionState.IDLE
        self._crosses_until = perf_counter() + self.crossing_window if was_idle else None
        self._has_body = head.method != "HEAD"
        result = self._result = self._loop.create_future()
        # A transport drops what is written once it closes, and ``connection_lost`` may have come.
        if self._transport.is_closing():
            self._finish(self._unanswered(_CLOSED), ConnectionState.CLOSED)
        else:
            self._enter(ConnectionState.SENT)
            self._transport.write(head.with_body(body))
        return result

    def abort(self) -> None:
        """Close at once; a request under way fails."""
        self._break(Broken("this program has closed its connections"))

    def _enter(self, state: ConnectionState) -> None:
        self._state = state

    def _finish(self, result: Sent, then: ConnectionState) -> None:
        """Leave the states in which a request is under way, if it is in one, and settle it."""
        self._enter(then)
        waiting, self._result = self._result, None
        if waiting is not None and not waiting.done():  # it is done when it was cancelled
            waiting.set_result(result)

    def _begin_response(self) -> None:
        self._enter(ConnectionState.HEAD)
        self._response = HttpResponse()
        self._body = bytearray()
        self._head_bytes = 0
        self._parser = httptools.HttpResponseParser(self)

    def _finish_whole(self, then: ConnectionState) -> None:
        response = self._response
        response.body = bytes(self._body)
        response.connection = self
        self._parser, self._response, self._body = None, _NO_RESPONSE, b""
        self._finish(response, then)

    def _break(self, result: Sent) -> None:
        self._finish(result, ConnectionState.CLOSED)
        self._transport.abort()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, which is ready: TLS included."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read a part of the response."""
        if self._state is ConnectionState.SENT:
            self._begin_response()
        elif self._result is None:
            # Bytes without a request: a late 408, or a response to a request we never sent.  They
            # must not be taken for the next request's response.
            self.abort()
            return
        self._head_bytes += len(data)
        try:
            cast("httptools.HttpResponseParser", self._parser).feed_data(data)
        except httptools.HttpParserInvalidStatusError:
            self._break(HttpResponse(unread=INVALID_STATUS))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break(Broken("the answer is not HTTP"))
        if self._head_bytes > MAX_HEAD_BYTES:
            self._break(Broken(f"the answer's headers are over {MAX_HEAD_BYTES} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle a request under way; a body without a length ends here."""
        self._lost(self)
        self._parser = None  # it holds our bound methods: a reference cycle
        match self._state:
            case ConnectionState.SENT:
                why = _CLOSED
                if exc is not None:
                    why = f"the connection broke before any answer: {reason(exc)}"
                self._finish(self._unanswered(why), ConnectionState.CLOSED)
            case ConnectionState.BODY if exc is None and self._ends_with_connection():
                self._finish_whole(ConnectionState.CLOSED)
            case _:
                why = "the connection was closed within the answer"
                self._finish(Broken(why), ConnectionState.CLOSED)

    def _unanswered(self, why: str) -> Unanswered:
        # Seen too late to have crossed the request: the server may have taken the request and
        # closed then, and a second staging would be a second call.
        until = self._crosses_until
        return Unanswered(why) if until is None or perf_counter() > until else Crossed(why)

    def _ends_with_connection(self) -> bool:
        """Return True if the body ends where the connection does (RFC 9112 6.3)."""
        if "chunked" in (self._response.value(b"transfer-encoding") or "").lower():
            return False
        return not self._response.value(b"content-length")

    # Called by the parser, in ``feed_data``.  After a response is whole, or the connection is
    # CLOSED, it may go on with the rest of the data: the state says whether anything still counts.

    def on_message_begin(self) -> None:
        """Refuse a second response to one request."""
        if self._state is not ConnectionState.HEAD:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; those after the body (trailers) are not used."""
        if self._state is ConnectionState.HEAD:
            self._response.fields.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        """Begin the body, unless the response is an interim one (RFC 9110 15.2)."""
        if self._state is not ConnectionState.HEAD or self._parser is None:
            return
        response = self._response
        status = self._parser.get_status_code()
        if status < 100:
            # RFC 9110 15: it is of no class.  Taken for an interim one, it would let the caller
            # wait for a final response until the deadline.
            response.status = status
            self._leave_unread(INVALID_STATUS)
            return
        if status < 200:
            response.fields.clear()
            return
        response.status = status
        self._enter(ConnectionState.BODY)
        if not self._has_body:
            self._finish(response, ConnectionState.CLOSED)
        elif (response.value(b"content-encoding") or "identity").lower() != "identity":
            self._leave_unread("it is compressed, which was not asked for")

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body, up to the limit."""
        if self._state is not ConnectionState.BODY:
            return
        self._body += body
        self._head_bytes -= len(body)
        if len(self._body) > self._max_body_bytes:
            self._leave_unread(f"its body is over {self._max_body_bytes} bytes")

    def _leave_unread(self, why: str) -> None:
        """Settle with the head alone; only the connection's end keeps the rest out."""
        response = self._response
        self._break(HttpResponse(response.status, response.fields, unread=why))

    def on_message_complete(self) -> None:
        """Settle with the response, if it is the final one."""
        if self._state is ConnectionState.BODY and self._parser is not None:
            kept = self._parser.should_keep_alive()
            self._finish_whole(ConnectionState.IDLE if kept else ConnectionState.CLOSED)


def reason(error: Exception) -> str:
    """Describe a connection's error in the words of the operating system or OpenSSL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message or "it does not verify"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no handshake").replace("_", " ").lower()
    errno = error.errno if isinstance(error, OSError) else None
    return os.strerror(errno or ECONNRESET).lower()
