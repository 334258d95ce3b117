"""The copy of a request that is forwarded, in the steps of RFC 3261 16.6."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip import via
from sip_stager.sip.fields import Malformed

if TYPE_CHECKING:
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.sip.message import Request

MAX_FORWARDS = 255
"""RFC 3261 20.22."""
MAX_BREADTH = 60
"""Branches of one request that may be pending at once, in all proxies (RFC 5393 5.3.3)."""
STAGED_ID_FIELD = b"x-rounded-call-id"
"""The header field that routes a call to its staged agent; one of a peer's is removed."""


def make_copy(
    request: Request,
    interfaces: Interfaces,
    sides: tuple[int, int],
    branch: bytes,
    seal: bytes = b"",
) -> Request:
    """Return the copy of a request whose Request-URI and Route are already set.

    ``sides`` are the interfaces that it arrived on and leaves from.  With a ``seal`` it gets our
    Record-Route.
    """
    if b"max-breadth" in request.names:
        request = with_max_breadth(request)
    names, fields = list(request.names), request.fields.copy()
    _decrement_max_forwards(request, names, fields)
    if seal:
        _add_record_route(names, fields, interfaces, sides, seal)
    if b"max-breadth" not in names:
        names.append(b"max-breadth")
        fields.append(b"Max-Breadth: %d" % MAX_BREADTH)
    if b"content-length" not in names:  # step 9: required over a stream, harmless over UDP
        names.append(b"content-length")
        fields.append(b"Content-Length: %d" % len(request.body))
    out = interfaces[sides[1]]
    names.insert(0, b"via")
    fields.insert(0, via.make_via(out.transport, out.advertised, out.port, branch))
    return request.edited(tuple(names), fields, same_via=False)


def with_staged_id(request: Request, staged_id: str) -> Request:
    """Return the request with our X-Rounded-Call-Id instead of any of the caller's."""
    field = b"X-Rounded-Call-Id: " + staged_id.encode("ascii")
    return request.without(STAGED_ID_FIELD).with_last(STAGED_ID_FIELD, field)


def hops_left(request: Request) -> int | None:
    """Return Max-Forwards, None if absent; raises ``Malformed``."""
    text = request.value(b"max-forwards")
    if text is None:
        return None
    if not text.isdigit() or len(text) > 10:
        raise Malformed("Max-Forwards is not a number")
    return min(int(text), MAX_FORWARDS)


def max_breadth(request: Request) -> int:
    """Return Max-Breadth; our own limit if it is absent, not a number, or larger."""
    if b"max-breadth" not in request.names:
        return MAX_BREADTH
    text = request.value(b"max-breadth") or b""
    if not text.isdigit() or len(text) > 10:
        return MAX_BREADTH
    return min(int(text), MAX_BREADTH)


def with_max_breadth(request: Request, branches: int = 1) -> Request:
    """Return the request with its Max-Breadth divided by the number of branches."""
    field = b"Max-Breadth: %d" % (max_breadth(request) // branches)
    return request.without(b"max-breadth").with_last(b"max-breadth", field)


def _decrement_max_forwards(request: Request, names: list[bytes], fields: list[bytes]) -> None:
    """Step 3: decrement Max-Forwards, or start with 70."""
    hops = hops_left(request)
    if hops is None:
        names.append(b"max-forwards")
        fields.append(b"Max-Forwards: 70")
    else:
        index = names.index(b"max-forwards")
        fields[index] = b"%b: %d" % (fields[index].partition(b":")[0], hops - 1)


def _add_record_route(
    names: list[bytes],
    fields: list[bytes],
    interfaces: Interfaces,
    sides: tuple[int, int],
    seal: bytes,
) -> None:
    """Step 4: add Record-Route above all others; two if the interfaces differ (RFC 5658)."""
    at = names.index(b"record-route") if b"record-route" in names else 0
    arrived, leaving = sides
    recorded = [leaving] if leaving == arrived else [leaving, arrived]
    names[at:at] = [b"record-route"] * len(recorded)
    fields[at:at] = [interfaces.record_route(side, seal) for side in recorded]
