"""A client of one API: requests are prepared once, and sent over a pool of connections.

A call's staging is one request, and its cost is most of what a call costs: so the request line and
the header fields are made once (``prepare``), and sending writes one piece of bytes.
``docs/decisions/0001-own-http-client.md`` has the measurements.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from sip_stager.http_client.connector import Connector, Names
from sip_stager.http_client.fair_queue import Share
from sip_stager.http_client.messages import RequestHead
from sip_stager.http_client.pool import MAX_AGE, Pool
from sip_stager.http_client.slots import Priority
from sip_stager.http_client.tls import default_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine, Mapping
    from typing import Any

    from sip_stager.http_client.phase_times import Phases
    from sip_stager.http_client.results import Result

_PORTS = {"http": 80, "https": 443}
_FRAMING = {"host", "connection", "content-length", "transfer-encoding"}  # ours to write
_PATH_SAFE = "/%:@!$&'()*+,;=[]|^\\"  # may stand in a path as it is, besides letters and digits
_BREAKS_LINE = re.compile(r"[\r\n\0]")
_BROKEN = "a line break in a request's head"


class Client:
    """A client of the API at ``base_url``; needs a running loop.

    ``fields`` are header fields of every request; they are the place for a key, since nothing
    shows them.  ``connections`` and ``max_body_bytes`` are limits.  Certificates are verified by
    ``tls.default_context`` unless ``tls`` is given.  ``names`` resolves the host's name; without
    it the system does for each new connection.  ``max_age`` is the longest time in seconds for
    which a connection is used, so that the client follows a host that moves.
    """

    def __init__(
        self,
        base_url: str,
        *,
        fields: Mapping[str, str],
        connections: int,
        max_body_bytes: int,
        tls: ssl.SSLContext | None = None,
        names: Names | None = None,
        max_age: float = MAX_AGE,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("a base URL begins with http:// or https:// and a host")
        port = parts.port or _PORTS[parts.scheme]
        self._path = quote(parts.path.rstrip("/"), safe=_PATH_SAFE)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        authority = host if port == _PORTS[parts.scheme] else f"{host}:{port}"
        self._fields = {"Host": authority, **fields}
        self._own_fields = _render(self._fields)
        if parts.scheme == "http":
            tls = None
        elif tls is None:
            tls = default_context()
        self._pool = Pool(
            Connector(parts.hostname, port, tls, names),
            connections=connections,
            max_body_bytes=max_body_bytes,
            max_age=max_age,
        )

    def replace_field(self, name: str, value: str) -> None:
        """Replace a field of every request; requests that are prepared already keep the old one."""
        self._fields = self._fields | {name: value}
        self._own_fields = _render(self._fields)

    def prepare(
        self, method: str, target: str, fields: Mapping[str, str] | None = None
    ) -> RequestHead:
        """Prepare a request for a path (and query) below the base URL; it can be sent many times.

        The client's own fields replace those of the same names; a target or a field with a line
        break is a ``ValueError``: it would be a request of somebody else's making.
        """
        if _BREAKS_LINE.search(method) or _BREAKS_LINE.search(target):
            raise ValueError(_BROKEN)
        rendered = self._own_fields
        if fields:
            ours = _FRAMING | {name.lower() for name in self._fields}
            rendered += _render({n: value for n, value in fields.items() if n.lower() not in ours})
        return RequestHead(method, f"{self._path}{target}".encode("ascii"), rendered)

    def exchange(
        self,
        head: RequestHead,
        body: bytes,
        phases: Phases,
        priority: Priority = Priority.NORMAL,
        share: Share = Share(),  # noqa: B008  a tuple
    ) -> Coroutine[Any, Any, Result]:
        """Send a request and return its response or its failure; cancelling it closes."""
        return self._pool.exchange(head, body, phases, priority, share)

    @property
    def requests(self) -> dict[str, int]:
        """The number of requests that are ``active`` and that are ``queued``."""
        slots = self._pool.slots
        return {"active": slots.taken, "queued": slots.waiting}

    def reject_waiting(self, group: str | None = None) -> None:
        """End the wait of all requests of normal priority that have no connection yet.

        With a ``group``, only those of that group, of whichever tenant.
        """
        self._pool.slots.reject(Priority.NORMAL, group)

    async def aclose(self) -> None:
        """Close every connection; requests under way fail."""
        await self._pool.aclose()


def _render(fields: Mapping[str, str]) -> bytes:
    """Return header fields as they are sent."""
    if any(map(_BREAKS_LINE.search, (*fields, *fields.values()))):
        raise ValueError(_BROKEN)
    return b"".join(b"%b: %b\r\n" % (n.encode(), value.encode()) for n, value in fields.items())
