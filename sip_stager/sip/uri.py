"""URIs and addresses (RFC 3261 19.1, 20.10; RFC 3966)."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from sip_stager.sip.field_grammar import Malformed, Parameters, parse_parameters

_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*):([^\x00-\x20\x7f<>\"]*)\Z")
_HOST = rb"(\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9._-]++)"
_MADDR = re.compile(_HOST)
_HOST_PART = re.compile(_HOST + rb"(?::([0-9]{1,5}))?(;[^?]*)?(\?.*)?\Z", re.DOTALL)
_METHOD = re.compile(rb";method(?:=[^;]*)?(?=;|\Z)", re.IGNORECASE)
_THIRD_COLON = re.compile(r":::(?=[0-9]+\.)")
_ADDRESS = re.compile(
    rb'\s*+(?:(?:"(?:[^"\\]|\\.)*"\s*+|[^"<>;,]*+)<([^<>]*+)>|([^\s"<>;,?]++))\s*+(;.*)?\Z',
    re.DOTALL,
)

DEFAULT_PORT = 5060
"""The port of UDP and TCP (RFC 3261 19.1.2)."""
MAX_URI_BYTES = 4096
"""Limit on a URI; real ones have a few hundred bytes at most."""
MAX_CACHED_BYTES = 256
"""Limit on a URI that is cached once parsed: strangers choose how long URIs are."""


class Uri(NamedTuple):
    """A parsed URI.

    - ``user`` is as received, escapes included, without a password; the number of a ``tel`` URI.
    - ``host`` is in lower case, without the brackets of IPv6; empty for other schemes.
    - ``parameters`` are unescaped; ``headers`` is the part after the question mark.
    - ``transport`` is the one that the URI names, in upper case, else UDP (RFC 3263 4.1).
    - ``target`` is the host to send to: ``maddr`` if there is one, else ``host`` (RFC 3261 19.1.1).
    """

    text: bytes
    scheme: bytes
    user: bytes | None = None
    host: str = ""
    port: int | None = None
    parameters: Parameters | None = None
    headers: bytes = b""
    transport: str = "UDP"
    target: str = ""


def parse_uri(text: bytes) -> Uri:
    """Parse a URI; raises ``Malformed``.  Other schemes than SIP and tel stay unparsed."""
    return _parse_cached(text) if len(text) <= MAX_CACHED_BYTES else _parse(text)


def _parse(text: bytes) -> Uri:
    match = _SCHEME.match(text)
    if match is None or not match[2]:
        raise Malformed("invalid URI")
    if len(text) > MAX_URI_BYTES:
        raise Malformed("the URI is too long")
    scheme, rest = match[1].lower(), match[2]
    if scheme == b"tel":
        number, semicolon, parameters = rest.partition(b";")
        return Uri(text, scheme, number, parameters=_parameters(semicolon + parameters))
    if scheme not in {b"sip", b"sips"}:
        return Uri(text, scheme)
    userinfo, at, host_part = rest.rpartition(b"@")
    parts = _HOST_PART.match(host_part)
    if parts is None or (at and not userinfo):
        raise Malformed("invalid SIP URI")
    host = _host(parts[1])
    parameters = _parameters(parts[3]) if parts[3] else {}
    return Uri(
        text,
        scheme,
        userinfo.partition(b":")[0] if at else None,
        host,
        port_number(parts[2]),
        parameters,
        (parts[4] or b"")[1:],
        (parameters.get(b"transport") or b"udp").decode("latin-1").upper(),
        _maddr(parameters) or host,
    )


def _host(text: bytes) -> str:
    """Return a host in lower case; raises ``Malformed`` if brackets hold no IPv6 address.

    The grammar of RFC 3261 allows a third colon before an IPv4 part by mistake, so peers may
    write one (RFC 5118 4.10).
    """
    host = text.strip(b"[]").decode("ascii").lower()
    if text[:1] != b"[":
        return host
    host = _THIRD_COLON.sub("::", host)
    try:
        IPv6Address(host)
    except ValueError:
        raise Malformed("invalid IPv6 address") from None
    return host


def _maddr(parameters: Parameters) -> str:
    maddr = parameters.get(b"maddr")
    if not maddr:
        return ""
    if not _MADDR.fullmatch(maddr):
        raise Malformed("maddr is not a host")
    return _host(maddr)


def _parameters(text: bytes) -> Parameters:
    """Parse and unescape a URI's parameters: ``%6C%72`` is ``lr`` (RFC 3261 19.1.4)."""
    found = parse_parameters(text)
    if b"%" not in text:
        return found
    plain: Parameters = {}
    for name, value in found.items():
        plain.setdefault(unquote_to_bytes(name).lower(), value and unquote_to_bytes(value))
    return plain


_parse_cached = lru_cache(maxsize=4096)(_parse)


def as_request_uri(text: bytes) -> bytes:
    """Return a SIP URI without headers and method, as a Request-URI must be (RFC 3261 19.1.1)."""
    userinfo, at, host_part = text.rpartition(b"@")
    return userinfo + at + _METHOD.sub(b"", host_part.partition(b"?")[0])


def escaped_user(text: str) -> bytes:
    """Return text as a user part, with reserved characters escaped (RFC 3261 25.1).

    A semicolon is allowed but escaped: it would begin a parameter of the number (RFC 3261 19.1.6).
    """
    return quote(text, safe="-_.!~*'()&=+$,?/").encode("ascii")


def port_number(text: bytes | None) -> int | None:
    """Return a port as a number, or None; raises ``Malformed`` outside 1 to 65535."""
    if not text:
        return None
    port = int(text)
    if not 0 < port < 65536:
        raise Malformed("invalid port number")
    return port


class Address(NamedTuple):
    """A From, To, Contact, Route or Record-Route value: a URI and the field's parameters."""

    uri: Uri
    parameters: Parameters

    @property
    def tag(self) -> bytes:
        """The tag, or empty."""
        return self.parameters.get(b"tag") or b""


def parse_address(value: bytes) -> Address:
    """Parse a ``name-addr`` or an ``addr-spec``; raises ``Malformed``.

    Without angle brackets, parameters belong to the field and not to the URI, and the URI must
    not contain a comma, question mark or semicolon (RFC 3261 20.10).
    """
    match = _ADDRESS.match(value)
    if match is None:
        raise Malformed("invalid address")
    bracketed, bare, parameters = match.groups()
    uri = parse_uri(bare if bracketed is None else bracketed.strip(b" \t"))
    return Address(uri, parse_parameters(parameters) if parameters else {})


def bracketed(host: str) -> str:
    """Return a host as written in messages: an IPv6 address in brackets (RFC 3261 25.1)."""
    return f"[{host}]" if ":" in host else host
