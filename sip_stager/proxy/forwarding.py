"""The copy of a request that goes on, made in the steps of RFC 3261 16.6."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip import via

if TYPE_CHECKING:
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.sip.message import Request

MOST_HOPS = 255
"""RFC 3261 20.22."""
CALL_ID_FIELD = b"x-rounded-call-id"
"""The field that routes a call to its staged agent; only ours counts."""


def make_copy(
    request: Request,
    interfaces: Interfaces,
    sides: tuple[int, int],
    branch: bytes,
    seal: bytes = b"",
) -> Request:
    """Copy a request whose Request-URI and Route are already as they are to be.

    ``sides`` are the interfaces that it came to and leaves from; with a ``seal`` we are put on
    the path of the dialog that it begins.
    """
    copy = _one_hop_less(request)
    if seal:
        copy = _recorded(copy, interfaces, sides, seal)
    if b"content-length" not in copy.names:
        copy = copy.with_last(b"content-length", b"Content-Length: %d" % len(copy.body))
    out = interfaces[sides[1]]
    return copy.with_first(b"via", via.made(out.transport, out.advertised, out.port, branch))


def staged(request: Request, call_id: str) -> Request:
    """Name the staged call, whatever the caller wrote there; and bound the forks to come.

    RFC 5393 5.3.3: who begins to bound them writes 60.
    """
    field = b"X-Rounded-Call-Id: " + call_id.encode("ascii")
    request = request.without(CALL_ID_FIELD).with_last(CALL_ID_FIELD, field)
    if b"max-breadth" in request.names:
        return request
    return request.with_last(b"max-breadth", b"Max-Breadth: 60")


def hops_left(request: Request) -> int | None:
    """Give Max-Forwards, None where it is absent or no number."""
    text = request.value(b"max-forwards") or b""
    return min(int(text), MOST_HOPS) if text.isdigit() and len(text) <= 10 else None


def _one_hop_less(request: Request) -> Request:
    """Step 3: count Max-Forwards down, or begin at 70."""
    hops = hops_left(request)
    if hops is None:
        return request.without(b"max-forwards").with_last(b"max-forwards", b"Max-Forwards: 70")
    index = request.names.index(b"max-forwards")
    spelled = request.fields[index].partition(b":")[0]
    return request.with_field(index, b"%b: %d" % (spelled, hops - 1))


def _recorded(
    request: Request, interfaces: Interfaces, sides: tuple[int, int], seal: bytes
) -> Request:
    """Step 4: Record-Route ahead of what is recorded; two where the sides differ (RFC 5658)."""
    at = request.names.index(b"record-route") if b"record-route" in request.names else 0
    arrived, leaving = sides
    recorded = [leaving] if leaving == arrived else [leaving, arrived]
    names, fields = request.names.copy(), request.fields.copy()
    names[at:at] = [b"record-route"] * len(recorded)
    fields[at:at] = [interfaces.record_route(side, seal) for side in recorded]
    return request.edited(names, fields)
