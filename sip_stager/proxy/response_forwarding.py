"""The forwarding of a response: our Via is removed (RFC 3261 16.7 step 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.privacy import strip_identity
from sip_stager.sip.via import OUR_VIA

if TYPE_CHECKING:
    from sip_stager.sip.message import Response


def pop_via(response: Response, branch: bytes, *, anonymous: bool = False) -> bytes | None:
    """Return a response without our Via; None if the next one is not the requester's.

    A peer may send a response with a Via of its own making below ours: only the requester's
    ``branch`` shows that it answers this request.  With ``anonymous`` the callee's identity fields
    are stripped as well (RFC 3325 7).
    """
    if anonymous:
        response = strip_identity(response)
    shape, fields = response.shape, response.fields
    top, lines = shape.via, fields.copy()
    ours = OUR_VIA(fields[top])
    if ours is None:
        popped = response.without_first(b"via")
        next_via = popped.value(b"via")
        return bytes(popped) if next_via is not None and branch in next_via else None
    rest = fields[top][ours.end() :]
    if rest:  # the next one is in the same field
        lines[top] = fields[top][:5] + rest
        requester = top
    else:
        del lines[top]
        requester = shape.next_via - 1
    if requester < 0 or branch not in lines[requester]:
        return None
    return b"\r\n".join((response.start_line, *lines, b"", response.body))


def restore_from(response: Response, field: bytes) -> Response:
    """Return a response with the From of its request, whose copy had another (RFC 3261 8.2.6.2)."""
    index = response.shape.from_
    return response.with_field(index, field) if index >= 0 else response
