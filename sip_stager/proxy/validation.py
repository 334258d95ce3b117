"""The validation of requests (RFC 3261 16.3, RFC 5393), and our own responses as a user agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.proxy.request_forwarding import max_breadth
from sip_stager.sip.privacy import PRIVACY_TAG
from sip_stager.sip.responses import Extra, warning_field

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sip_stager.sip.field_grammar import Malformed
    from sip_stager.sip.identifiers import Identifiers
    from sip_stager.sip.message import Request

IN_DIALOG_ONLY = frozenset({b"BYE", b"PRACK", b"UPDATE", b"INFO", b"NOTIFY"})
"""The methods that get 481 outside a dialog.

RFC 3261 15.1.2, RFC 3262 3, RFC 3311 5.2, RFC 6086 4.2.2, RFC 6665 4.1.3.
"""
ALLOW = (b"Allow", b"INVITE, ACK, CANCEL, OPTIONS, BYE, PRACK, UPDATE, INFO, NOTIFY")
"""The methods that are not answered 405 outside a dialog; inside one, any method passes."""
CAPABILITIES = (
    ALLOW,
    (b"Accept", b"application/sdp"),
    (b"Accept-Encoding", b"identity"),
    (b"Accept-Language", b"en"),
    (b"Supported", b""),
)
"""The header fields of our 200 to OPTIONS (RFC 3261 11.2)."""
_RARELY_ROUTED_BY = (b"route", b"proxy-require", b"proxy-authorization")


class OwnResponse(NamedTuple):
    """The response to a request that is not forwarded: its status, and fields that explain it."""

    status: int
    extra: Extra = ()

    @classmethod
    def to_malformed(cls, fault: Malformed) -> OwnResponse:
        """Return the response to a malformed request, with the fault in a Warning."""
        return cls(fault.status, (warning_field(str(fault)),))


def routing_digest(request: Request, identifiers: Identifiers, *, own_route: bool = False) -> bytes:
    """Return a digest of all that decides on a request's path, after our own Route was popped.

    RFC 3261 16.6 step 8, RFC 5393 4.2.  The method is not part of it: a CANCEL and the ACK of a
    final response get the branch of their INVITE.  With ``own_route`` the Route is still there,
    and is ours alone.
    """
    shape, fields = request.shape, request.fields
    parts = [
        request.uri_text,
        b"%d" % request.cseq[0],
        fields[shape.from_],
        fields[shape.to],
        fields[shape.call_id],
    ]
    if not own_route:
        for name in _RARELY_ROUTED_BY:
            if name in shape.first:
                parts += request.rows(name)
    return identifiers.routing(*parts)


def validate(request: Request, routing: bytes) -> OwnResponse | None:
    """Return the response to an invalid request, None for a valid one; raises ``Malformed``."""
    # Both raise if malformed: syntax (16.3 step 1) is checked before the scheme (step 2).
    in_dialog, hops = bool(request.to_tag), request.max_forwards
    if request.uri.scheme not in {b"sip", b"tel"}:
        return OwnResponse(416)
    if hops == 0 and (in_dialog or request.method != b"OPTIONS"):
        return OwnResponse(483)
    if has_been_here(request, routing):
        return OwnResponse(482)
    if b"proxy-require" in request.shape.first and (
        unsupported := _reject_extensions(request, b"proxy-require", {PRIVACY_TAG})
    ):
        return unsupported
    return OwnResponse(440) if max_breadth(request) == 0 else None


def respond_as_user_agent(request: Request) -> OwnResponse:
    """Return the response to a request that is addressed to us (RFC 3261 8.2, 11.2).

    Raises ``Malformed``.
    """
    if request.method in IN_DIALOG_ONLY:
        return OwnResponse(481)  # the method is allowed, but its dialog is not there (12.2.2)
    if request.method != b"OPTIONS":
        return OwnResponse(405, (ALLOW,))
    return _reject_extensions(request, b"require") or OwnResponse(200, CAPABILITIES)


def has_been_here(request: Request, routing: bytes) -> bool:
    """Return True for a loop: one of our Vias holds the same routing digest (16.3 step 4).

    The digest is keyed, so no other branch can hold it.  A request that was here before with
    another routing is a spiral, which is allowed.
    """
    shape = request.shape
    if shape.next_via < 0:
        return routing in request.fields[shape.via]
    return any(routing in field for field in request.rows(b"via"))


def _reject_extensions(
    request: Request, name: bytes, supported: AbstractSet[bytes] = frozenset()
) -> OwnResponse | None:
    """Return a 420 with the extensions that a request requires and that are not supported."""
    required = request.values(name) if name in request.names else []
    tags = [tag for tag in required if tag and tag.lower() not in supported]
    return OwnResponse(420, ((b"Unsupported", b", ".join(tags)),)) if tags else None
