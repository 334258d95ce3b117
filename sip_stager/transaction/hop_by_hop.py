"""The two hop-by-hop requests of an INVITE: the ACK of a failure, and CANCEL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.message import Request
from sip_stager.sip.shape import CANONICAL

if TYPE_CHECKING:
    from sip_stager.sip.message import Response

_COPIED = frozenset({b"from", b"call-id", b"route"})


def make_ack(invite: Request, response: Response) -> Request:
    """Return the ACK of a 3xx to 6xx (RFC 3261 17.1.1.3), with the response's To."""
    answered = response if b"to" in response.names else invite
    return _derived(invite, b"ACK", answered.fields[answered.names.index(b"to")], [])


def make_cancel(invite: Request, reasons: list[bytes]) -> Request:
    """Return the CANCEL of a sent INVITE (RFC 3261 9.1), with the caller's Reason fields."""
    return _derived(invite, b"CANCEL", invite.fields[invite.names.index(b"to")], reasons)


def _derived(invite: Request, method: bytes, to: bytes, reasons: list[bytes]) -> Request:
    """Return a request with the INVITE's URI, top Via and branch, and the same CSeq number.

    The branch must be that of the INVITE: by it the next hop finds the transaction.
    """
    names = [b"via"]
    fields = [invite.fields[invite.names.index(b"via")]]
    for name, field in zip(invite.names, invite.fields, strict=True):
        if name in _COPIED:
            names.append(name)
            fields.append(field)
    names += [b"to", b"cseq", b"max-forwards"]
    fields += [to, b"CSeq: %d %b" % (invite.cseq[0], method), b"Max-Forwards: 70"]
    names += [b"reason"] * len(reasons) + [b"content-length"]
    fields += [*reasons, b"Content-Length: 0"]
    uri = invite.uri_text
    start_line, shape = b"%b %b SIP/2.0" % (method, uri), CANONICAL.of(tuple(names))
    return Request(start_line, method, uri, shape, fields)
