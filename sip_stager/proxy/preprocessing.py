"""The preprocessing of a request's Route (RFC 3261 16.4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.message import Request
from sip_stager.sip.uri import Uri, parse_address

if TYPE_CHECKING:
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.proxy.seal import Seal

MAX_OWN_ROUTES = 8
"""Route entries of ours at the top of a request: each pass of a spiral records up to two."""
_MADDR = re.compile(rb";(?:maddr|transport)=[^;?]*|:[0-9]+(?=[;?]|\Z)", re.IGNORECASE)


class Popped(NamedTuple):
    """A request without our own Route entries.

    ``own_route`` is the last of those, or None, and ``leaving`` the interface in it.  ``route`` is
    the topmost entry that is left, or None.
    """

    request: Request
    own_route: Uri | None
    leaving: int | None
    route: Uri | None


def preprocess(request: Request, interfaces: Interfaces, seal: Seal, arrived: int) -> Popped:
    """Undo a strict router's rewriting, and remove our own maddr and Route entries (16.4).

    All consecutive entries of ours are popped, so that no peer can make us send to ourselves.
    ``arrived`` is the interface that it arrived on.  Raises ``Malformed``.
    """
    recovered = _from_strict_router(request, interfaces, seal)
    own = None if recovered is request else request.uri
    request = _without_own_maddr(recovered, interfaces, arrived)
    for _ in range(MAX_OWN_ROUTES + 1):
        route = topmost_route(request)
        if route is None or not interfaces.is_ours(route):
            leaving = None if own is None else interfaces.index_of(own)
            return Popped(request, own, leaving, route)
        own, request = route, request.without_first(b"route")
    raise Malformed("the Route leads here again and again", 482)


def topmost_route(request: Request) -> Uri | None:
    """Return the URI of the topmost Route, or None; raises ``Malformed``."""
    value = request.first(b"route")
    return None if value is None else parse_address(value).uri


def _from_strict_router(request: Request, interfaces: Interfaces, seal: Seal) -> Request:
    """Undo a strict router's rewriting (16.4).

    It has put our Record-Route URI into the Request-URI, and the target into the last Route.
    """
    if b"route" not in request.names or not interfaces.is_ours(request.uri):
        return request
    if not seal.is_valid(request.uri, request):
        return request
    routes = request.values(b"route")  # the last is the target, the others are the way there
    rest = b"Route: " + b", ".join(routes[:-1])
    recovered = request.with_uri(parse_address(routes[-1]).uri.text).without(b"route")
    return recovered.with_first(b"route", rest) if routes[:-1] else recovered


def _without_own_maddr(request: Request, interfaces: Interfaces, arrived: int) -> Request:
    """Remove a maddr that led the request here, with the port and transport beside it."""
    uri = request.uri
    if b"maddr" not in (uri.parameters or {}) or not interfaces.leads_to(uri, arrived):
        return request
    userinfo, at, rest = uri.text.rpartition(b"@")
    return request.with_uri(userinfo + at + _MADDR.sub(b"", rest))
