"""Responses that we generate, and the destination of a response (RFC 3261 8.2.6, 18.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.model.flow import Flow
from sip_stager.sip.message import Request, Response
from sip_stager.sip.shape import CANONICAL, COPIED
from sip_stager.sip.uri import DEFAULT_PORT

if TYPE_CHECKING:
    from sip_stager.sip.via import Via

_COPIED_TO_100 = (*COPIED, b"timestamp")

REASONS = {
    100: b"Trying",
    180: b"Ringing",
    183: b"Session Progress",
    200: b"OK",
    302: b"Moved Temporarily",
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    407: b"Proxy Authentication Required",
    408: b"Request Timeout",
    410: b"Gone",
    414: b"Request-URI Too Long",
    416: b"Unsupported URI Scheme",
    420: b"Bad Extension",
    440: b"Max-Breadth Exceeded",
    480: b"Temporarily Unavailable",
    481: b"Call/Transaction Does Not Exist",
    482: b"Loop Detected",
    483: b"Too Many Hops",
    486: b"Busy Here",
    487: b"Request Terminated",
    488: b"Not Acceptable Here",
    500: b"Server Internal Error",
    502: b"Bad Gateway",
    501: b"Not Implemented",
    503: b"Service Unavailable",
    504: b"Server Time-out",
    505: b"Version Not Supported",
    513: b"Message Too Large",
    600: b"Busy Everywhere",
    603: b"Decline",
    604: b"Does Not Exist Anywhere",
}
"""Reason phrases (RFC 3261 21) of the statuses that the proxy and the demo send."""

RETRY_AFTER_STATUSES = frozenset({404, 413, 480, 486, 500, 503, 600, 603})
"""Statuses that may carry Retry-After (RFC 3261 20.33)."""

Extra = tuple[tuple[bytes, bytes], ...]


def make_response(
    request: Request, status: int, tag: bytes = b"", extra: Extra = (), reason: bytes = b""
) -> Response:
    """Return a response to a request (RFC 3261 8.2.6.2).

    ``tag`` is added to a To without one; ``extra`` holds names and values of more fields.  A
    request that is rejected may lack a field to copy, or have it twice: the response then lacks
    it as well, or has the first.
    """
    names, fields = _copied(request, status)
    if tag and not request.to_tag and b"to" in names:
        fields[names.index(b"to")] += b";tag=" + tag
    for name, value in extra:
        names = *names, name.lower()
        fields.append(name + b": " + value)
    fields.append(b"Content-Length: 0")
    phrase = reason or REASONS.get(status, b"")
    start_line = b"SIP/2.0 %d %b" % (status, phrase)
    return Response(start_line, status, CANONICAL.of((*names, b"content-length")), fields)


def make_trying(request: Request) -> bytes:
    """Return the 100 to a request: the same bytes as ``make_response``."""
    shape = request.shape
    if shape.copied is None or b"timestamp" in shape.first:
        return bytes(make_response(request, 100))
    copied = shape.copied(request.fields)
    return b"\r\n".join((b"SIP/2.0 100 Trying", *copied, b"Content-Length: 0", b"", b""))


def _copied(request: Request, status: int) -> tuple[tuple[bytes, ...], list[bytes]]:
    """Return the names and fields of a request that its response copies."""
    shape = request.shape
    if shape.copied and (status != 100 or b"timestamp" not in shape.first):
        return COPIED, list(shape.copied(request.fields))
    names: list[bytes] = []
    fields: list[bytes] = []
    for name in COPIED if status != 100 else _COPIED_TO_100:
        rows = request.rows(name)
        if name != b"via":
            rows = rows[:1]
        names += [name] * len(rows)
        fields += rows
    return tuple(names), fields


def make_early_response(request: Request, status: int, tag: bytes, contact: bytes) -> Response:
    """Return a provisional response that creates an early dialog, with its route set (12.1.1)."""
    response = make_response(request, status, tag, ((b"Contact", contact),))
    routes = request.rows(b"record-route")
    names = (*(b"record-route",) * len(routes), *response.names)
    return response.edited(names, [*routes, *response.fields])


def quoted_string(text: str) -> bytes:
    """Return any text as a quoted-string; a character that is not printable ASCII becomes "?"."""
    visible = "".join(c if " " <= c <= "~" else "?" for c in text)
    return b'"' + visible.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'


def warning_field(text: str) -> tuple[bytes, bytes]:
    """Return the name and value of a Warning with text for a person (RFC 3261 20.43)."""
    return b"Warning", b"399 sip-stager " + quoted_string(text)


def response_flow(via: Via, source: Flow) -> Flow:
    """Return the destination of the response to a request (RFC 3261 18.2.2, RFC 3581 4).

    ``via`` is the request's top Via as received from ``source``.  Over a stream the transport
    tries the source's connection first; the address returned is for a new connection.  A
    ``maddr`` is ignored: with it, a stranger could direct our responses to any host.
    """
    if source.transport == "UDP" and b"rport" in via.parameters:
        return source
    host, interface, connection = source.host, source.interface, source.connection
    return Flow(source.transport, host, via.port or DEFAULT_PORT, interface, connection)
