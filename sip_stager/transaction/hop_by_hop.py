"""The two requests that go from hop to hop on behalf of an INVITE: ACK and CANCEL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.message import Request

if TYPE_CHECKING:
    from sip_stager.sip.message import Response

_KEPT = frozenset({b"from", b"call-id", b"route"})


def make_ack(invite: Request, response: Response) -> Request:
    """Acknowledge a response that is not a 2xx (RFC 3261 17.1.1.3); To is the response's."""
    answered = response if b"to" in response.names else invite
    return _derived(invite, b"ACK", answered.fields[answered.names.index(b"to")], [])


def make_cancel(invite: Request, reasons: list[bytes]) -> Request:
    """Cancel a request that was sent (RFC 3261 9.1), with the Reason fields of who asked for it."""
    return _derived(invite, b"CANCEL", invite.fields[invite.names.index(b"to")], reasons)


def _derived(invite: Request, method: bytes, to: bytes, reasons: list[bytes]) -> Request:
    names = [b"via"]
    fields = [invite.fields[invite.names.index(b"via")]]
    for name, field in zip(invite.names, invite.fields, strict=True):
        if name in _KEPT:
            names.append(name)
            fields.append(field)
    names += [b"to", b"cseq", b"max-forwards"]
    fields += [to, b"CSeq: %d %b" % (invite.cseq[0], method), b"Max-Forwards: 70"]
    names += [b"reason"] * len(reasons) + [b"content-length"]
    fields += [*reasons, b"Content-Length: 0"]
    return Request(b"%b %b SIP/2.0" % (method, invite.uri_text), names, fields)
