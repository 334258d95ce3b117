"""Where a request wants to go (RFC 3261 16.4, 16.6 steps 6 and 7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.sip.fields import Malformed
from sip_stager.sip.uri import Uri, as_request_uri, parse_address

if TYPE_CHECKING:
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.proxy.seal import Seal
    from sip_stager.sip.message import Request

MOST_OWN = 8
"""Entries of ours that one request may begin with: a dialog that spirals records two each time."""
_MADDR = re.compile(rb";(?:maddr|transport)=[^;?]*|:[0-9]+(?=[;?]|\Z)", re.IGNORECASE)


class Popped(NamedTuple):
    """A request without our own Route entries.

    ``own`` is the last of them, None where there was none; ``leaving`` is the interface that it
    names.  ``route`` is the topmost entry that is left, None where there is none.
    """

    request: Request
    own: Uri | None
    leaving: int | None
    route: Uri | None


class Routed(NamedTuple):
    """A request as it is to go on, and the URI to send it to.

    ``routing`` is the digest of what it was routed by, for the second part of its branch.  ``seal``
    is that of its dialog, for our Record-Route; with ``to_anonymous`` its callee requested privacy.
    """

    request: Request
    leaving: int | None
    next_hop: Uri
    routing: bytes = b""
    seal: bytes = b""
    to_anonymous: bool = False


def preprocessed(request: Request, interfaces: Interfaces, seal: Seal, arrived: int) -> Popped:
    """Undo what brought a request here: a strict router's work, a maddr, our own Route entries.

    RFC 3261 16.4.  All entries of ours that follow each other are popped, so that nobody makes
    us send to ourselves; ``arrived`` is the interface that it came to.  Raises ``Malformed``.
    """
    recovered = _from_strict_router(request, interfaces, seal)
    own = None if recovered is request else request.uri
    request = _without_own_maddr(recovered, interfaces, arrived)
    for _ in range(MOST_OWN + 1):
        route = first_route(request)
        if route is None or not interfaces.own(route):
            leaving = None if own is None else interfaces.named(own)
            return Popped(request, own, leaving, route)
        own, request = route, request.without_first(b"route")
    raise Malformed("the Route leads here again and again", 482)


def first_route(request: Request) -> Uri | None:
    """Give the URI of the topmost Route; raises ``Malformed``."""
    value = request.first(b"route")
    return None if value is None else parse_address(value).uri


def _from_strict_router(request: Request, interfaces: Interfaces, seal: Seal) -> Request:
    """Undo a strict router's work: what we recorded is the Request-URI, the target the last Route.

    RFC 3261 16.4.
    """
    if b"route" not in request.names or not interfaces.own(request.uri):
        return request
    if not seal.holds(request.uri, request):
        return request
    routes = request.values(b"route")
    rest = b"Route: " + b", ".join(routes[:-1])
    recovered = request.with_uri(parse_address(routes[-1]).uri.text).without(b"route")
    return recovered.with_first(b"route", rest) if routes[:-1] else recovered


def _without_own_maddr(request: Request, interfaces: Interfaces, arrived: int) -> Request:
    """Take off a maddr that has brought the request here, and the port and transport beside it."""
    uri = request.uri
    if b"maddr" not in (uri.parameters or {}) or not interfaces.brought(uri, arrived):
        return request
    userinfo, at, rest = uri.text.rpartition(b"@")
    return request.with_uri(userinfo + at + _MADDR.sub(b"", rest))


def towards_next_hop(popped: Popped, routing: bytes = b"") -> Routed:
    """Find the next hop: the first Route left, else the Request-URI; raises ``Malformed``.

    Ahead of a strict router the Request-URI moves to the end of the Route (RFC 3261 16.6 steps 2,
    6 and 7).
    """
    request, _, leaving, route = popped
    if request.uri.scheme == b"sip":
        request = _with_allowed(request, request.uri_text)
    if route is None:
        return Routed(request, leaving, request.uri, routing)
    if b"lr" in (route.parameters or {}):
        return Routed(request, leaving, route, routing)
    moved = request.without_first(b"route").with_last(
        b"route", b"Route: <" + request.uri_text + b">"
    )
    return Routed(_with_allowed(moved, route.text), leaving, route, routing)


def _with_allowed(request: Request, uri: bytes) -> Request:
    """Step 2: what may not stand in a Request-URI is removed from it."""
    if b"?" in uri or b";" in uri:
        uri = as_request_uri(uri)
    return request if uri == request.uri_text else request.with_uri(uri)


def with_host_of(user: bytes | None, upstream: Uri) -> bytes:
    """Make the Request-URI that asks the upstream for a user, whose escapes are in place."""
    scheme, _, rest = upstream.text.partition(b":")
    host_part = rest.rpartition(b"@")[2]
    return scheme + b":" + (user + b"@" if user else b"") + host_part
