"""Where a request wants to go (RFC 3261 16.4, 16.6 steps 6 and 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.sip.uri import Uri, parse_address

if TYPE_CHECKING:
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.sip.message import Request


class Popped(NamedTuple):
    """A request without our own Route entries.

    ``own`` is the last of them, None where there was none; ``leaving`` is the interface that it
    names.
    """

    request: Request
    own: Uri | None
    leaving: int | None


class Routed(NamedTuple):
    """A request as it is to go on, and the URI to send it to.

    ``routing`` is the digest of what it was routed by, for the second part of its branch.
    """

    request: Request
    leaving: int | None
    next_hop: Uri
    routing: bytes = b""


def without_own_routes(request: Request, interfaces: Interfaces) -> Popped:
    """Take our own Route entries off, two where both sides were recorded; raises ``Malformed``.

    RFC 3261 16.4, RFC 5658.
    """
    recovered = _from_strict_router(request, interfaces)
    own = None if recovered is request else request.uri
    request = recovered
    for _ in range(2):
        route = first_route(request)
        if route is None or not interfaces.own(route):
            break
        own = route
        request = request.without_first(b"route")
    return Popped(request, own, None if own is None else interfaces.named(own))


def first_route(request: Request) -> Uri | None:
    """Give the URI of the topmost Route; raises ``Malformed``."""
    value = request.first(b"route")
    return None if value is None else parse_address(value).uri


def _from_strict_router(request: Request, interfaces: Interfaces) -> Request:
    """Undo a strict router's work: what we recorded is the Request-URI, the target the last Route.

    RFC 3261 16.4.
    """
    if b"route" not in request.names or not interfaces.own(request.uri):
        return request
    if b"lr" not in (request.uri.parameters or {}):
        return request
    routes = request.values(b"route")
    rest = b"Route: " + b", ".join(routes[:-1])
    recovered = request.with_uri(parse_address(routes[-1]).uri.text).without(b"route")
    return recovered.with_first(b"route", rest) if routes[:-1] else recovered


def towards_next_hop(popped: Popped, routing: bytes = b"") -> Routed:
    """Find the next hop: the first Route left, else the Request-URI; raises ``Malformed``.

    Ahead of a strict router the Request-URI moves to the end of the Route (RFC 3261 16.6 steps 6
    and 7).
    """
    request, _, leaving = popped
    route = first_route(request)
    if route is None:
        return Routed(request, leaving, request.uri, routing)
    if b"lr" in (route.parameters or {}):
        return Routed(request, leaving, route, routing)
    moved = request.without_first(b"route").with_last(
        b"route", b"Route: <" + request.uri_text + b">"
    )
    return Routed(moved.with_uri(route.text), leaving, route, routing)


def with_host_of(dialled: Uri, upstream: Uri) -> bytes:
    """Make the Request-URI that asks the upstream for the dialled user."""
    scheme, _, rest = upstream.text.partition(b":")
    host_part = rest.rpartition(b"@")[2]
    user = dialled.user + b"@" if dialled.user else b""
    return scheme + b":" + user + host_part
