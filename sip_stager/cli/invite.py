"""An INVITE as a trunk would send it, made of what stands on the command line."""

from __future__ import annotations

from urllib.parse import quote

from sip_stager.sip.fields import Malformed, field_name
from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse

_HERE = "sip-stager.invalid"
_USER = "+*#-_.!~'()&=$,;?/%"
"""What may stand in the user part of a URI beside letters and digits (RFC 3261 25.1)."""


def make_invite(to: str, caller: str, headers: list[str]) -> Request:
    """Make an INVITE to a number, a name or a URI, from another; ``headers`` win over both.

    Raises ``ValueError``, ``Malformed`` among them, in words for whoever wrote them.
    """
    uri = _uri(to)
    fields = [_field(header) for header in headers]
    given = {field_name(field.partition(":")[0].encode()) for field in fields}
    usual = {
        b"via": f"Via: SIP/2.0/UDP {_HERE};branch=z9hG4bK-route",
        b"from": f"From: <{_uri(caller)}>;tag=route",
        b"to": f"To: <{uri}>",
        b"call-id": f"Call-ID: route@{_HERE}",
        b"cseq": "CSeq: 1 INVITE",
    }
    lines = [line for name, line in usual.items() if name not in given]
    message = parse("\r\n".join([f"INVITE {uri} SIP/2.0", *lines, *fields, "", ""]).encode())
    if not isinstance(message, Request):
        raise Malformed("not an INVITE")
    return message


def _uri(text: str) -> str:
    """Write a number or a name as a URI, and leave a URI alone."""
    if text.partition(":")[0].lower() in {"sip", "sips", "tel"}:
        return _line(text)
    return f"sip:{quote(text, safe=_USER)}@{_HERE}" if text else f"sip:{_HERE}"


def _field(header: str) -> str:
    if ":" not in header:
        raise ValueError(f"{header!r} is no header: write it like 'Diversion: <sip:+33...@host>'")
    return _line(header)


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r} is more than one line, or is not printable")
    return text
