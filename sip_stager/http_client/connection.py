"""One HTTP/1.1 connection (RFC 9112), which answers one request at a time.

llhttp (``httptools``) reads what the server says; one parser serves the connection's whole life.
What goes wrong is a value, not raised: an exception would drag along the frames that sent the key.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from errno import ECONNRESET
from time import perf_counter
from typing import TYPE_CHECKING, cast

import httptools
import httpx

from sip_stager.http_client.messages import Answer, Crossed, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.http_client.messages import Head, Result

_HEAD_MOST = 65536  # bytes; what an answer may cost besides its body, chunks' heads included
_CLOSED = "the connection was closed before any answer"


class Connection(asyncio.Protocol):
    """The client's side of a connection; ``ended`` is called once, when it is lost.

    ``crossing`` is in seconds: an end that comes so soon after a request has crossed it.
    """

    def __init__(self, max_body_bytes: int, ended: Callable[[Connection], None]) -> None:
        self._max_body_bytes = max_body_bytes
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self.crossing = 0.0
        self._crosses_until: float | None = None  # of a request that is not the first
        self._parser: httptools.HttpResponseParser | None = None
        self._transport: asyncio.Transport
        self._result: asyncio.Future[Result] | None = None
        self._answer = Answer()
        self._received = 0  # bytes, of the answer under way
        self._answer_has_body = self._keep = True
        self._used = False

    @property
    def reusable(self) -> bool:
        """Whether another request can be sent: nothing is under way, and nobody has closed."""
        return self._keep and self._result is None and not self._transport.is_closing()

    def send(self, head: Head, body: bytes) -> asyncio.Future[Result]:
        """Send a request; cancelling the answer leaves a connection that is not reusable."""
        self._crosses_until = perf_counter() + self.crossing if self._used else None
        self._used = True
        self._answer = Answer()
        self._received = 0
        self._keep = self._answer_has_body = head.method != "HEAD"
        result = self._result = self._loop.create_future()
        if self._transport.is_closing():  # its end may have been told already
            self._settle(self._unanswered(_CLOSED))
        else:
            self._parser = self._parser or httptools.HttpResponseParser(self)
            self._transport.write(head.message(body))
        return result

    def abort(self) -> None:
        """Close at once; what is under way fails."""
        self._break_off(httpx.ReadError("this program has closed its connections"))

    def _break_off(self, result: Result) -> None:
        self._settle(result)
        self._transport.abort()

    def _settle(self, result: Result) -> None:
        waiting, self._result = self._result, None
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, which is ready: TLS included."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read on; what nobody has asked for ends the connection."""
        if self._result is None or self._parser is None:
            self._transport.abort()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break_off(httpx.RemoteProtocolError("the answer is not HTTP"))
        if self._received - len(self._answer.body) > _HEAD_MOST:
            words = f"the answer's headers are over {_HEAD_MOST} bytes"
            self._break_off(httpx.RemoteProtocolError(words))

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is under way, with an answer where its end is the connection's."""
        self._ended(self)
        self._parser = None  # it holds our methods: a cycle, and nobody looks for those in calls
        if self._result is None:
            return
        if exc is None and self._answer.status and self._until_closed():
            self._settle(self._answer)
        elif self._received:
            self._settle(httpx.ReadError("the connection was closed within the answer"))
        elif exc is None:
            self._settle(self._unanswered(_CLOSED))
        else:
            words = f"the connection broke before any answer: {reason(exc)}"
            self._settle(self._unanswered(words))

    def _unanswered(self, words: str) -> Unanswered:
        """Say how it ended; where we hear of it late, the server may have seen the request."""
        until = self._crosses_until
        return Unanswered(words) if until is None or perf_counter() > until else Crossed(words)

    def _until_closed(self) -> bool:
        """Whether the body ends with the connection (RFC 9112 6.3)."""
        if b"chunked" in self._header(b"transfer-encoding").lower():
            return False
        return not self._header(b"content-length")

    def _header(self, name: bytes) -> bytes:
        return b", ".join(value for key, value in self._answer.headers if key.lower() == name)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Refuse a second answer to one request."""
        if self._result is None:
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; those after the body (trailers) are of no use."""
        if not self._answer.status:
            self._answer.headers.append((name, value.strip()))

    def on_headers_complete(self) -> None:
        """Begin the body, unless the response is an interim one (RFC 9110 15.2)."""
        if self._result is None or self._parser is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._answer.headers.clear()
            return
        self._answer.status = status
        self._keep = self._keep and self._parser.should_keep_alive()
        if not self._answer_has_body:
            self._settle(self._answer)
        elif self._header(b"content-encoding").lower() not in {b"", b"identity"}:
            self._leave("it is compressed, which was not asked for")

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, up to the limit."""
        if self._result is None:
            return
        self._answer.body += body
        if len(self._answer.body) > self._max_body_bytes:
            self._leave(f"its body is over {self._max_body_bytes} bytes")

    def _leave(self, why: str) -> None:
        answer = self._answer
        self._break_off(Answer(answer.status, answer.headers, unread=why))

    def on_message_complete(self) -> None:
        """Give the answer, if it is the final one."""
        if self._answer.status:
            self._settle(self._answer)


def reason(error: Exception) -> str:
    """Say what was wrong with a connection, in the operating system's or OpenSSL's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message or "it does not verify"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no handshake").replace("_", " ").lower()
    errno = error.errno if isinstance(error, OSError) else None
    return os.strerror(errno or ECONNRESET).lower()
