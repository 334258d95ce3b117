"""The copy of a request that goes on, made in the steps of RFC 3261 16.6."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip import via
from sip_stager.sip.fields import Malformed

if TYPE_CHECKING:
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.sip.message import Request

MOST_HOPS = 255
"""RFC 3261 20.22."""
MOST_BREADTH = 60
"""Branches of one request that may be under way at once, everywhere (RFC 5393 5.3.3)."""
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
    if b"max-breadth" in request.names:
        request = bounded(request)
    names, fields = request.names.copy(), request.fields.copy()
    _count_hop(request, names, fields)
    if seal:
        _record(names, fields, interfaces, sides, seal)
    if b"max-breadth" not in names:
        names.append(b"max-breadth")
        fields.append(b"Max-Breadth: %d" % MOST_BREADTH)
    if b"content-length" not in names:
        names.append(b"content-length")
        fields.append(b"Content-Length: %d" % len(request.body))
    out = interfaces[sides[1]]
    names.insert(0, b"via")
    fields.insert(0, via.make_via(out.transport, out.advertised, out.port, branch))
    return request.edited(names, fields, same_via=False)


def staged(request: Request, staged_id: str) -> Request:
    """Name the staged call, whatever the caller wrote there."""
    field = b"X-Rounded-Call-Id: " + staged_id.encode("ascii")
    return request.without(CALL_ID_FIELD).with_last(CALL_ID_FIELD, field)


def hops_left(request: Request) -> int | None:
    """Give Max-Forwards, None where it is absent; raises ``Malformed``."""
    text = request.value(b"max-forwards")
    if text is None:
        return None
    if not text.isdigit() or len(text) > 10:
        raise Malformed("Max-Forwards is not a number")
    return min(int(text), MOST_HOPS)


def breadth_of(request: Request) -> int:
    """Give Max-Breadth, the most that we allow where it is absent, no number, or more."""
    if b"max-breadth" not in request.names:
        return MOST_BREADTH
    text = request.value(b"max-breadth") or b""
    if not text.isdigit() or len(text) > 10:
        return MOST_BREADTH
    return min(int(text), MOST_BREADTH)


def bounded(request: Request, branches: int = 1) -> Request:
    """Write one Max-Breadth, that of the request shared by the branches that it may have."""
    field = b"Max-Breadth: %d" % (breadth_of(request) // branches)
    return request.without(b"max-breadth").with_last(b"max-breadth", field)


def _count_hop(request: Request, names: list[bytes], fields: list[bytes]) -> None:
    """Step 3: count Max-Forwards down, or begin at 70."""
    hops = hops_left(request)
    if hops is None:
        names.append(b"max-forwards")
        fields.append(b"Max-Forwards: 70")
    else:
        index = names.index(b"max-forwards")
        fields[index] = b"%b: %d" % (fields[index].partition(b":")[0], hops - 1)


def _record(
    names: list[bytes],
    fields: list[bytes],
    interfaces: Interfaces,
    sides: tuple[int, int],
    seal: bytes,
) -> None:
    """Step 4: Record-Route ahead of what is recorded; two where the sides differ (RFC 5658)."""
    at = names.index(b"record-route") if b"record-route" in names else 0
    arrived, leaving = sides
    recorded = [leaving] if leaving == arrived else [leaving, arrived]
    names[at:at] = [b"record-route"] * len(recorded)
    fields[at:at] = [interfaces.record_route(side, seal) for side in recorded]
