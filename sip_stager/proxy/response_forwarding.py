"""The forwarding of a response: our Via is removed (RFC 3261 16.7 step 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.privacy import strip_identity

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
    top, requester = shape.via, shape.next_via
    if b"," in fields[top]:  # the next one may be behind it in the same field
        popped = response.without_first(b"via")
        return bytes(popped) if branch in (popped.value(b"via") or b"") else None
    if requester < 0 or branch not in fields[requester]:
        return None
    lines = fields.copy()
    del lines[top]
    return b"\r\n".join((response.start_line, *lines, b"", response.body))


def restore_from(response: Response, field: bytes) -> Response:
    """Return a response with the From of its request, whose copy had another (RFC 3261 8.2.6.2)."""
    index = response.shape.from_
    return response.with_field(index, field) if index >= 0 else response
