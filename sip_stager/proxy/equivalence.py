"""When two URIs mean the same (RFC 3261 19.1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from sip_stager.proxy.interfaces import canonical

if TYPE_CHECKING:
    from sip_stager.sip.uri import Uri

_NEVER_IGNORED = (b"user", b"ttl", b"method", b"maddr", b"transport")
"""Parameters that count where only one of the two has them."""


def equivalent(one: Uri, other: Uri) -> bool:
    """Whether two URIs are equivalent; of other schemes than SIP's, whether they are equal."""
    if one.text == other.text:
        return True
    return one.scheme in {b"sip", b"sips"} and (
        (one.scheme, _userinfo(one), canonical(one.host), one.port, _headers(one))
        == (other.scheme, _userinfo(other), canonical(other.host), other.port, _headers(other))
        and _alike(one, other)
    )


def _userinfo(uri: Uri) -> bytes:
    """Give user and password, whose case matters, without escapes."""
    return unquote_to_bytes(uri.text.partition(b":")[2].rpartition(b"@")[0])


def _headers(uri: Uri) -> list[bytes]:
    return sorted(unquote_to_bytes(header).lower() for header in uri.headers.split(b"&"))


def _alike(one: Uri, other: Uri) -> bool:
    mine, its = one.parameters or {}, other.parameters or {}
    names = {*_NEVER_IGNORED, *(mine.keys() & its.keys())}
    return all(_lower(mine.get(name)) == _lower(its.get(name)) for name in names)


def _lower(value: bytes | None) -> bytes | None:
    return value and value.lower()
