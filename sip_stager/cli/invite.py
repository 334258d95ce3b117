"""An INVITE as a trunk would send it, made from the command line."""

from __future__ import annotations

import re
from urllib.parse import quote

from sip_stager.sip.field_grammar import Malformed, field_name
from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from sip_stager.sip.uri import parse_address

_HOST = "sip-stager.invalid"
_USER = "+*#-_.!~'()&=$,;?/%"
"""Characters of the user part of a URI beside letters and digits (RFC 3261 25.1)."""
_SCHEMES = re.compile(r"(sips?|tel|urn):", re.IGNORECASE)
_OF_AN_ADDRESS = re.compile(r'["<>]')


def make_invite(to: str, caller: str, headers: list[str]) -> Request:
    """Return an INVITE to a number, name or URI, from another; ``headers`` win over both.

    The caller may also be an address with a display name, as in a From. Raises ``ValueError``
    (``Malformed`` among them) with a text for the user.
    """
    if _OF_AN_ADDRESS.search(to):
        raise ValueError(
            f"--to {to!r} is not a Request-URI: write a number, a name, or a URI like "
            "sip:+33...@host; --header 'To: ...' sets the To"
        )
    uri = _uri(to)
    fields = [_field(header) for header in headers]
    given = {field_name(field.partition(":")[0].encode()) for field in fields}
    usual = {
        b"via": f"Via: SIP/2.0/UDP {_HOST};branch=z9hG4bK-route",
        b"from": f"From: {_address(caller)}",
        b"to": f"To: <{uri}>",
        b"call-id": f"Call-ID: route@{_HOST}",
        b"cseq": "CSeq: 1 INVITE",
        b"max-forwards": "Max-Forwards: 70",
        b"contact": f"Contact: <sip:route@{_HOST}>",
    }
    lines = [line for name, line in usual.items() if name not in given]
    message = parse("\r\n".join([f"INVITE {uri} SIP/2.0", *lines, *fields, "", ""]).encode())
    if not isinstance(message, Request):
        raise Malformed("not an INVITE")
    return message


def _address(text: str) -> str:
    """Format a number or a name as an address; return an address unchanged."""
    if not _OF_AN_ADDRESS.search(text):
        return f"<{_uri(text)}>;tag=route"
    try:
        address = parse_address(_line(text).encode())
    except Malformed:
        address = None
    if address is None or "<" not in text:
        raise ValueError(
            f"--from {text!r} is not an address: write a number, a name, a URI like "
            "sip:+33...@host, or an address like '\"Bob\" <sip:+33...@host>'"
        )
    return text if address.tag else f"{text};tag=route"


def _uri(text: str) -> str:
    """Format a number or a name as a URI; return a URI unchanged."""
    if _SCHEMES.match(text):
        return _line(text)
    return f"sip:{quote(text, safe=_USER)}@{_HOST}" if text else f"sip:{_HOST}"


def _field(header: str) -> str:
    if ":" not in header:
        raise ValueError(
            f"{header!r} is not a header: write it like 'Diversion: <sip:+33...@host>'"
        )
    return _line(header)


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r} has more than one line, or is not printable")
    return text
