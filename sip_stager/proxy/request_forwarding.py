"""The forwarding of a request: its next hop, and its copy, in the steps of RFC 3261 16.6."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.model.flow import Flow
from sip_stager.sip.message import USUAL_MAX_FORWARDS, Request
from sip_stager.sip.privacy import make_from_anonymous
from sip_stager.sip.uri import Uri, as_request_uri

if TYPE_CHECKING:
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.proxy.preprocessing import Popped
    from sip_stager.sip.shape import Shape

MAX_BREADTH = 60
"""Branches of one request that may be pending at once, in all proxies (RFC 5393 5.3.3)."""
_MAX_BREADTH_FIELD = b"Max-Breadth: %d" % MAX_BREADTH
_DECREMENTED = {
    field: b"Max-Forwards: %d" % (hops - 1) for field, hops in USUAL_MAX_FORWARDS.items() if hops
}
STAGED_ID_FIELD = b"x-rounded-call-id"
"""The header field that routes a call to its staged agent; one of a peer's is removed."""


class Routed(NamedTuple):
    """A request ready to be forwarded, and the URI of its next hop.

    ``leaving`` is the preferred interface.  ``routing`` is the digest of its routing, for the
    second part of its branch.  ``seal`` is that of its dialog, for our Record-Route.
    ``to_anonymous``: it is addressed to a party that requested privacy.  ``staged_id`` is the id of
    the staged call, or empty.  ``own_route`` is the index of a Route field of ours that the copy
    leaves out, or -1.  ``flow`` is the way to the next hop if it is known without a look-up.
    ``hides_from``: the copy gets an anonymous From.
    """

    request: Request
    leaving: int | None
    next_hop: Uri
    routing: bytes = b""
    seal: bytes = b""
    to_anonymous: bool = False
    staged_id: str = ""
    own_route: int = -1
    flow: Flow | None = None
    hides_from: bool = False

    def with_staged_id(self, staged_id: str) -> Routed:
        """Return the request with the id of a staged call, faster than by ``_replace``."""
        return new_routed((*self[:6], staged_id, *self[7:]))

    @property
    def hidden_from(self) -> bytes:
        """The From field as the caller wrote it, which responses get back."""
        return self.request.fields[self.request.shape.from_]


# A named tuple is made in C from a tuple, but in Python from its fields.
new_routed = partial(tuple.__new__, Routed)


def route_to_next_hop(popped: Popped, routing: bytes = b"") -> Routed:
    """Return the request with its next hop: the topmost Route, else the Request-URI.

    RFC 3261 16.6 steps 2, 6 and 7.  Raises ``Malformed``.
    """
    request, _, leaving, route = popped
    if request.uri.scheme == b"sip":
        request = _with_uri(request, request.uri_text)
    if route is None:
        return Routed(request, leaving, request.uri, routing)
    if b"lr" in (route.parameters or {}):
        return Routed(request, leaving, route, routing)
    # A strict router expects itself in the Request-URI, and that at the end of the Route.
    moved = request.without_first(b"route").with_last(
        b"route", b"Route: <" + request.uri_text + b">"
    )
    return Routed(_with_uri(moved, route.text), leaving, route, routing)


def _with_uri(request: Request, uri: bytes) -> Request:
    """Step 2: set the Request-URI without the parts that it may not have."""
    if b"?" in uri or b";" in uri:
        uri = as_request_uri(uri)
    return request if uri == request.uri_text else request.with_uri(uri)


def make_copy(
    routed: Routed,
    interfaces: Interfaces,
    sides: tuple[int, int],
    branch: bytes,
    *,
    record: bool = False,
) -> bytes:
    """Return the copy of a request, from the fields as received in one pass.

    ``sides`` are the interfaces that it arrived on and leaves from.  With ``record`` it gets our
    Record-Route.
    """
    request = routed.request
    if b"max-breadth" in request.shape.first:
        request = with_max_breadth(request)
    shape, lines = request.shape, request.fields.copy()
    if routed.hides_from:
        lines[shape.from_] = make_from_anonymous(request, request.from_tag)
    if shape.max_forwards >= 0:
        lines[shape.max_forwards] = _decremented(request)
    if record or routed.own_route >= 0:
        _replace_routes(lines, routed, shape, interfaces, sides, record=record)
    if shape.max_forwards < 0:
        lines.append(b"Max-Forwards: 70")  # step 3
    if routed.staged_id:
        lines.append(b"X-Rounded-Call-Id: " + routed.staged_id.encode("ascii"))
    if b"max-breadth" not in shape.first:
        lines.append(_MAX_BREADTH_FIELD)
    if shape.content_length < 0:  # step 9: required over a stream, harmless over UDP
        lines.append(b"Content-Length: %d" % len(request.body))
    via = interfaces.via(sides[1], branch)
    return b"\r\n".join((request.start_line, via, *lines, b"", request.body))


def max_breadth(request: Request) -> int:
    """Return Max-Breadth; our own limit if it is absent, not a number, or larger."""
    if b"max-breadth" not in request.shape.first:
        return MAX_BREADTH
    text = request.value(b"max-breadth") or b""
    if not text.isdigit() or len(text) > 10:
        return MAX_BREADTH
    return min(int(text), MAX_BREADTH)


def with_max_breadth(request: Request, branches: int = 1) -> Request:
    """Return the request with its Max-Breadth divided by the number of branches."""
    field = b"Max-Breadth: %d" % (max_breadth(request) // branches)
    return request.without(b"max-breadth").with_last(b"max-breadth", field)


def _decremented(request: Request) -> bytes:
    """Return Max-Forwards for the copy (step 3)."""
    field = request.fields[request.shape.max_forwards]
    usual = _DECREMENTED.get(field)
    return usual or b"%b: %d" % (field.partition(b":")[0], request.max_forwards - 1)


def _replace_routes(
    lines: list[bytes],
    routed: Routed,
    shape: Shape,
    interfaces: Interfaces,
    sides: tuple[int, int],
    *,
    record: bool,
) -> None:
    """Leave out our own Route, and with ``record`` add our Record-Route above all others (step 4).

    There are two of ours if the interfaces differ (RFC 5658).
    """
    at, own = max(shape.record_route, 0), routed.own_route
    if own >= 0:  # 16.4: what brought the request here goes no further
        del lines[own]
        at -= own < at
    if record:
        arrived, leaving = sides
        lines.insert(at, interfaces.record_route(leaving, routed.seal))
        if not interfaces.is_same_side(leaving, arrived):
            lines.insert(at + 1, interfaces.record_route(arrived, routed.seal))
