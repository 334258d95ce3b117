"""httpx on aiohttp: the face of the one, the connections of the other.

httpx's own pool costs milliseconds of CPU a request once a hundred are held open, and staging
holds hundreds; ``tests/bench/http_clients.py`` measures the choices.  This transport reads the
whole body, so that a response is ready when it is returned, and it does what staging needs:

- A body over the limit, or compressed (we ask for identity), is not read;
  ``response.extensions["unread"]`` says why.
- ``request.extensions["phases"]``, a dict, gets ``name_lookup`` and ``connect`` in seconds where
  a new connection was made.  aiohttp's tracing would tell the same for 40 us a request.
- A pooled connection that the server has closed costs no call: see ``_closed_while_idle``.
"""

from __future__ import annotations

import errno
import os
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
from yarl import URL

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from aiohttp.abc import ResolveResult
    from aiohttp.client_proto import ResponseHandler

Phases = dict[str, float]

_KEPT_IDLE = 50.0  # seconds; load balancers close at 60, and we would rather be first
_NOTICED = 0.5  # seconds; a close that was under way is noticed within a round trip
_NO_TIMEOUT = aiohttp.ClientTimeout()  # the whole staging has one deadline, kept by its task
_phases: ContextVar[Phases] = ContextVar("phases")


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends httpx requests over a pool of at most ``connections``; made within a running loop.

    ``headers`` go with every request and are part of none that can be seen, which is the place
    for a key.  ``body_most`` is in bytes.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext,
        headers: Mapping[str, str],
        connections: int,
        body_most: int,
    ) -> None:
        self._body_most = body_most
        self._pooled = _session(_Connector(tls, limit=connections), headers)
        self._fresh = _session(_Connector(tls, limit=connections, force_close=True), headers)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send; raises httpx's transport errors, which hold nothing of the request's headers."""
        phases: Phases = request.extensions.setdefault("phases", {})
        _phases.set(phases)
        began = perf_counter()
        answer = await self._exchange(self._pooled, request)
        if isinstance(answer, _Unanswered) and self._closed_while_idle(phases, began):
            answer = await self._exchange(self._fresh, request)
        if isinstance(answer, httpx.Response):
            return answer
        raise answer

    def _closed_while_idle(self, phases: Phases, began: float) -> bool:
        """Whether a request that got no byte of an answer was not read by the server either.

        A connection from the pool whose end is noticed at once was closed before our request
        came: the two crossed.  The request is sent again, once, on a connection of its own.
        When the connection was new, or its end came late, the server may have had the request in
        hand, and a second staging would be a second call (RFC 9110 9.2.2).
        """
        return "connect" not in phases and perf_counter() - began < _NOTICED

    async def _exchange(
        self, session: aiohttp.ClientSession, request: httpx.Request
    ) -> httpx.Response | httpx.TransportError:
        """Errors are returned: raised from aiohttp's, they would drag its headers along."""
        answered = False
        try:
            async with session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
                data=await request.aread() or None,
                allow_redirects=False,
            ) as response:
                answered = True
                body, unread = await self._body(response)
        except (aiohttp.ClientError, OSError) as error:
            return _in_httpx_words(error, answered=answered)
        return _Ready(response, body, request, unread)

    async def _body(self, response: aiohttp.ClientResponse) -> tuple[bytes, str]:
        """Give the body, or nothing and the reason."""
        coding = response.headers.get("Content-Encoding", "identity")
        if coding.lower() != "identity":
            response.close()
            return b"", "it is compressed, which was not asked for"
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._body_most:
                response.close()
                return b"", f"its body is over {self._body_most} bytes"
        return bytes(body), ""

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pooled.close()
        await self._fresh.close()


class _Ready(httpx.Response):
    """A response whose body has been read: httpx would take 20 us to find that out."""

    def __init__(
        self, response: aiohttp.ClientResponse, body: bytes, request: httpx.Request, unread: str
    ) -> None:
        self._body = body
        super().__init__(
            response.status,
            headers=list(response.raw_headers),
            stream=httpx.ByteStream(body),
            request=request,
            extensions={"unread": unread},
        )

    @property
    def content(self) -> bytes:
        return self._body


class _Unanswered(httpx.RemoteProtocolError):
    """The connection ended before any byte of an answer."""


class _Connector(aiohttp.TCPConnector):
    """Notes the time that a new connection takes."""

    def __init__(self, tls: ssl.SSLContext, **kwargs: Any) -> None:
        if not kwargs.get("force_close"):
            kwargs["keepalive_timeout"] = _KEPT_IDLE
        super().__init__(ssl=tls, resolver=_Resolver(), **kwargs)

    async def _create_connection(self, *args: Any, **kwargs: Any) -> ResponseHandler:
        phases, began = _phases.get(), perf_counter()
        try:
            return await super()._create_connection(*args, **kwargs)
        finally:
            phases["connect"] = perf_counter() - began - phases.get("name_lookup", 0.0)

    async def close(self, *args: Any, **kwargs: Any) -> None:
        await super().close(*args, **kwargs)
        await self._resolver.close()


class _Resolver(aiohttp.ThreadedResolver):
    """Notes the time that a look-up takes; the operating system's resolver, in a thread."""

    async def resolve(self, *args: Any, **kwargs: Any) -> list[ResolveResult]:
        began = perf_counter()
        try:
            return await super().resolve(*args, **kwargs)
        except UnicodeError as error:
            raise OSError(None, "not a host name") from error
        finally:
            _phases.get()["name_lookup"] = perf_counter() - began


def _session(connector: _Connector, headers: Mapping[str, str]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_NO_TIMEOUT,
        auto_decompress=False,
        trust_env=False,
    )


def _in_httpx_words(error: Exception, *, answered: bool) -> httpx.TransportError:
    kind: type[httpx.TransportError]
    match error:
        case aiohttp.ClientConnectorDNSError():
            kind, words = httpx.ConnectError, f"the name {error.host} cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            why = getattr(error.certificate_error, "verify_message", "") or "it does not verify"
            words = f"the TLS certificate of {error.host} is not valid: {why}"
            kind = httpx.ConnectError
        case aiohttp.ClientConnectorError():
            why = os.strerror(error.os_error.errno or errno.EHOSTUNREACH).lower()
            words = f"cannot connect to {error.host} port {error.port}: {why}"
            kind = httpx.ConnectError
        case aiohttp.ClientResponseError():
            kind, words = httpx.RemoteProtocolError, "the answer is not HTTP"
        case aiohttp.ServerDisconnectedError(message=str()) if not answered:
            kind, words = _Unanswered, "the connection was closed before any answer"
        case OSError() if not answered:
            why = os.strerror(error.errno or errno.ECONNRESET).lower()
            kind, words = _Unanswered, f"the connection broke before any answer: {why}"
        case _:
            kind, words = httpx.ReadError, "the connection was closed within the answer"
    return kind(words)
