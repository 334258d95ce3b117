"""httpx's face on connections of our own.

A call's staging is one request, and it was most of what a call costs.  httpx's own pool takes
milliseconds of CPU a request once a hundred are held open, and staging holds hundreds; aiohttp's
session takes several times what ours does (``bench/http_clients.py`` measures them).

This transport reads the whole body, so that a response is ready when it is returned.  A body over
the limit, or compressed (identity is asked for), is not read; ``response.extensions["unread"]``
says why.  ``request.extensions["phases"]``, a dict, gets the seconds spent in ``queue``,
``name_lookup``, ``connect``, ``tls`` and ``request``, as far as they occurred;
``request.extensions["rank"]`` says how urgent it is (``places.Rank``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import httpx

from sip_stager.http_client.connector import Connector
from sip_stager.http_client.messages import Answer, Head
from sip_stager.http_client.pool import Pool
from sip_stager.http_client.slots import Rank

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from sip_stager.http_client.phases import Phases

_HEADS_KEPT = 4096  # one for each call that is polled
_PORTS = {"http": 80, "https": 443}
_FRAMING = {b"host", b"connection", b"content-length", b"transfer-encoding"}
_BREAKS_LINE = re.compile(rb"[\r\n\0]")


class HttpTransport(httpx.AsyncBaseTransport):
    """Sends httpx requests over at most ``connections`` a host; made within a running loop.

    ``headers`` go with every request, before its own of the same names, and are part of none that
    can be seen, which is the place for a key.  ``max_body_bytes`` is in bytes.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext,
        headers: Mapping[str, str],
        connections: int,
        max_body_bytes: int,
    ) -> None:
        self._tls = tls
        self._headers = tuple((name.encode(), value.encode()) for name, value in headers.items())
        self._not_theirs = _FRAMING | {name.lower() for name, _ in self._headers}
        self._connections = connections
        self._max_body_bytes = max_body_bytes
        self._pools: dict[tuple[str, bytes, int], Pool] = {}
        self._route = lru_cache(_HEADS_KEPT)(self._new_route)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send; raises httpx's transport errors, which hold nothing of the request's headers."""
        phases: Phases = request.extensions.setdefault("phases", {})
        if isinstance(request.stream, httpx.ByteStream):  # aread() would take 2 us more
            body = b"".join(request.stream)
        else:
            body = await request.aread()
        pool, head = self._route(request.method, str(request.url), *request.headers.raw)
        rank: Rank = request.extensions.get("rank", Rank.STAGE)
        result = await pool.exchange(head, body, phases, rank)
        if isinstance(result, Answer):
            return _Ready(result, request)
        try:
            raise result
        finally:
            del result  # this frame is in its traceback: a cycle, and nobody looks for those

    @property
    def requests(self) -> dict[str, int]:
        """How many requests are ``active``, and how many are ``queued``, of all hosts."""
        each = [pool.requests for pool in self._pools.values()]
        under_way, queued = (sum(some) for some in zip(*each, strict=True)) if each else (0, 0)
        return {"active": under_way, "queued": queued}

    def send_away(self) -> None:
        """Let no new staging wait for a connection any longer: it raises ``SentAway``."""
        for pool in self._pools.values():
            pool.send_away()

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()

    def _new_route(
        self, method: str, address: str, *headers: tuple[bytes, bytes]
    ) -> tuple[Pool, Head]:
        if any(map(_BREAKS_LINE.search, (method.encode(), *(b"".join(one) for one in headers)))):
            raise httpx.LocalProtocolError("a line break within a header")
        url = httpx.URL(address)
        if url.scheme not in _PORTS:
            raise httpx.UnsupportedProtocol("the URL begins with neither http:// nor https://")
        theirs = (one for one in headers if one[0].lower() not in self._not_theirs)
        lines = ((b"Host", url.netloc), *self._headers, *theirs)
        return self._pool(url), Head(method, url.raw_path, lines)

    def _pool(self, url: httpx.URL) -> Pool:
        origin = (url.scheme, url.raw_host, url.port or _PORTS[url.scheme])
        if origin not in self._pools:
            tls = self._tls if url.scheme == "https" else None
            self._pools[origin] = Pool(
                Connector(url.raw_host.decode(), origin[2], tls),
                connections=self._connections,
                max_body_bytes=self._max_body_bytes,
            )
        return self._pools[origin]


class _Ready(httpx.Response):
    """A response whose body has been read: httpx would take 20 us to find that out."""

    def __init__(self, answer: Answer, request: httpx.Request) -> None:
        self._body = bytes(answer.body)
        super().__init__(
            answer.status,
            headers=answer.headers,
            stream=httpx.ByteStream(self._body),
            request=request,
            extensions={"unread": answer.unread},
        )

    @property
    def content(self) -> bytes:
        return self._body
