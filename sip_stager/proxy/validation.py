"""Whether a request can be taken (RFC 3261 16.3, RFC 5393)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.proxy.forwarding import breadth_of, hops_left
from sip_stager.sip.responses import warning_field

if TYPE_CHECKING:
    from sip_stager.sip.fields import Malformed
    from sip_stager.sip.identifiers import Identifiers
    from sip_stager.sip.message import Request
    from sip_stager.sip.responses import Extra

ALLOW = (
    b"Allow",
    b"INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, MESSAGE",
)
CAPABILITIES = (
    ALLOW,
    (b"Accept", b"application/sdp"),
    (b"Accept-Encoding", b"identity"),
    (b"Accept-Language", b"en"),
    (b"Supported", b""),
)
"""What an answer to OPTIONS says (RFC 3261 11.2)."""
_ROUTED_BY = frozenset(
    {b"route", b"from", b"to", b"call-id", b"proxy-require", b"proxy-authorization"}
)


class Answer(NamedTuple):
    """What a request gets that does not go on: the status, and fields that explain it."""

    status: int
    extra: Extra = ()

    @classmethod
    def to(cls, fault: Malformed) -> Answer:
        """Say what is wrong."""
        return cls(fault.status, (warning_field(str(fault)),))


def routing_of(request: Request, identifiers: Identifiers) -> bytes:
    """Digest all that decides where a request goes, its own Route popped; not the method.

    RFC 3261 16.6 step 8, RFC 5393 4.2.
    """
    rows = [
        field
        for name, field in zip(request.names, request.fields, strict=True)
        if name in _ROUTED_BY
    ]
    return identifiers.routing(request.uri_text, b"%d" % request.cseq[0], *rows)


def rejection(request: Request, routing: bytes) -> Answer | None:
    """Find what is wrong with a request, in the RFC's order; raises ``Malformed``."""
    in_dialog, hops = bool(request.to_tag), hops_left(request)  # which raise, ahead of the scheme
    if request.uri.scheme not in {b"sip", b"tel"}:
        return Answer(416)
    if hops == 0 and (in_dialog or request.method != b"OPTIONS"):
        return Answer(483)
    if _has_been_here(request, routing):
        return Answer(482)
    if unsupported := _unsupported(request, b"proxy-require"):
        return unsupported
    return Answer(440) if breadth_of(request) == 0 else None


def own_answer(request: Request) -> Answer:
    """Answer a request that is for us, as a user agent (RFC 3261 8.2, 11.2).

    Raises ``Malformed``.
    """
    if request.method != b"OPTIONS":
        return Answer(405, (ALLOW,))
    return _unsupported(request, b"require") or Answer(200, CAPABILITIES)


def _has_been_here(request: Request, routing: bytes) -> bool:
    """Find a Via of ours that was made when the request was routed as it would be now.

    The digest has a key of ours, so it is in no branch but ours; one that was routed otherwise is
    a spiral, and may go on (RFC 3261 16.3 step 4).
    """
    if request.names.count(b"via") == 1:
        return routing in request.fields[request.names.index(b"via")]
    return any(routing in field for field in request.rows(b"via"))


def _unsupported(request: Request, name: bytes) -> Answer | None:
    """Name the extensions that a request requires, none of which is known here."""
    tags = [tag for tag in request.values(name) if tag] if name in request.names else []
    return Answer(420, ((b"Unsupported", b", ".join(tags)),)) if tags else None
