"""URI comparison (RFC 3261 19.1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from sip_stager.proxy.hosts import canonical_host

if TYPE_CHECKING:
    from sip_stager.sip.uri import Uri

_ALWAYS_COMPARED = (b"user", b"ttl", b"method", b"maddr", b"transport")
"""Parameters that make a difference even if only one of the URIs has them."""


def equivalent(one: Uri, other: Uri) -> bool:
    """Return True for equivalent SIP URIs, and for equal ones of any other scheme."""
    if one.text == other.text:
        return True
    return one.scheme in {b"sip", b"sips"} and (
        (one.scheme, _userinfo(one), canonical_host(one.host), one.port, _headers(one))
        == (other.scheme, _userinfo(other), canonical_host(other.host), other.port, _headers(other))
        and _same_parameters(one, other)
    )


def _userinfo(uri: Uri) -> bytes:
    """Return user and password, unescaped; their case matters."""
    return unquote_to_bytes(uri.text.partition(b":")[2].rpartition(b"@")[0])


def _headers(uri: Uri) -> list[bytes]:
    return sorted(unquote_to_bytes(header).lower() for header in uri.headers.split(b"&"))


def _same_parameters(one: Uri, other: Uri) -> bool:
    mine, theirs = one.parameters or {}, other.parameters or {}
    names = {*_ALWAYS_COMPARED, *(mine.keys() & theirs.keys())}
    return all(_lower(mine.get(name)) == _lower(theirs.get(name)) for name in names)


def _lower(value: bytes | None) -> bytes | None:
    return value and value.lower()
