"""The Via header field (RFC 3261 18.2, 20.42; RFC 3581)."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import NamedTuple

from sip_stager.sip.field_grammar import Malformed, Parameters, parse_parameters
from sip_stager.sip.uri import DEFAULT_PORT, bracketed, port_number

_VIA = re.compile(
    rb"\s*+SIP\s*+/\s*+[^\s/;,]++\s*+/\s*+([^\s/;,]++)\s++(\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9._-]++)\s*+"
    rb"(?::\s*+([0-9]{1,5}+)\s*+)?(;.*)?\Z",
    re.DOTALL | re.IGNORECASE,
)
# The form that nearly every peer writes: nothing in it needs unescaping or unfolding.
_USUAL = re.compile(
    rb"[Vv]ia: (SIP/2\.0/[A-Z]{2,4} [0-9A-Za-z.-]{1,64}+(?::[0-9]{1,5}+)?)(;rport)?"
    rb";branch=([^\s;,=\"<>]++)(;rport)?\Z"
).match
_BRANCH = re.compile(rb";\s*branch\s*=\s*([^\s;,\"]+)", re.IGNORECASE)
# A Via that we wrote has the branch as its first parameter.  Peers add parameters behind it, or put
# the next Via into the same field.
OUR_VIA = re.compile(
    rb"[Vv]ia: SIP/2\.0/[A-Z]{3} [^;,\"]++;branch=([^\s;,\"]++)[^,\"]*+(?:,[ \t]*+|\Z)"
).match
_RPORT = re.compile(rb";\s*+rport\s*+(?==|;|\Z)(?:=\s*+[^\s;,]*+)?", re.IGNORECASE)
_RECEIVED = re.compile(rb";\s*+received\s*+(?==|;|\Z)(?:=\s*+[^\s;,]*+)?", re.IGNORECASE)

COOKIE = b"z9hG4bK"
"""The first bytes of a branch that is unique in time and space (RFC 3261 8.1.1.7)."""


class Via(NamedTuple):
    """One Via value; ``host`` and ``port`` are its sent-by, the host without brackets.

    ``branch`` is empty if it identifies nothing: it is absent or only the cookie.  ``readable`` is
    false if parameters are not of the form ;name=value.
    """

    transport: str
    host: str
    port: int | None
    branch: bytes
    parameters: Parameters
    readable: bool = True

    @property
    def sent_by(self) -> tuple[str, int]:
        """The sent-by with its default port, for comparison (RFC 3261 17.2.3)."""
        return self.host, self.port or DEFAULT_PORT


# A named tuple is made in C from a tuple, but in Python from its fields.
_new_via = partial(tuple.__new__, Via)


def branch_of(value: bytes) -> bytes:
    """Return a Via value's branch without parsing the rest; raises ``Malformed``.

    Enough for a response: its top Via is ours, or the response matches no transaction.
    """
    match = _BRANCH.search(value)
    if match is None:
        raise Malformed("Via has no branch")
    return match[1]


def usual_via(field: bytes) -> Via | None:
    """Parse a whole Via field that is written as nearly all are; None for ``parse_via``."""
    match = _USUAL(field)
    if match is None:
        return None
    sender, early_rport, branch, rport = match.groups()
    origin = _origin(sender)
    if origin is None or branch == COOKIE:
        return None
    parameters: Parameters = {b"branch": branch}
    if early_rport or rport:
        parameters[b"rport"] = None
    return _new_via((*origin, branch, parameters, True))


@lru_cache(maxsize=1024)
def _origin(sender: bytes) -> tuple[str, str, int | None] | None:
    """Return transport, host and port of a usual Via; the peers are few."""
    protocol, _, sent_by = sender.decode().partition(" ")
    host, colon, port = sent_by.partition(":")
    number = int(port) if colon else None
    if number is not None and not 0 < number < 65536:
        return None
    return protocol.rpartition("/")[2], host.lower(), number


def parse_via(value: bytes) -> Via:
    """Parse one Via value; raises ``Malformed`` if it has no address to respond to.

    Any version and any parameters are accepted here, so that the request gets a response: 505
    for another version (RFC 3261 21.5.6), 400 for invalid parameters.
    """
    match = _VIA.match(value)
    if match is None:
        raise Malformed("invalid Via value")
    transport, host, port, rest = match.groups()
    readable = True
    try:
        parameters = parse_parameters(rest) if rest else {}
    except Malformed:
        parameters, readable = {}, False
    branch = parameters.get(b"branch") or b""
    return Via(
        transport.decode("latin-1").upper(),
        host.strip(b"[]").decode("ascii").lower(),
        port_number(port),
        branch if branch != COOKIE else b"",
        parameters,
        readable,
    )


def noteworthy(via: Via, host: str) -> bool:
    """Return True if ``with_source`` would change the Via of a request from ``host``."""
    return via.host != host or b"rport" in via.parameters or b"received" in via.parameters


def with_source(value: bytes, via: Via, host: str, port: int) -> bytes:
    """Return a request's top Via value with its real source (RFC 3261 18.2.1, RFC 3581 4).

    ``received`` is added if the source differs from sent-by, and always beside ``rport``.  Values
    that the peer wrote into either are replaced.  An unchanged value is returned as it is.
    """
    wants_rport = b"rport" in via.parameters
    if b"received" in via.parameters:
        value = _RECEIVED.sub(b"", value)
    elif not wants_rport and via.host == host:
        return value
    if wants_rport:
        value = _RPORT.sub(b";rport=%d" % port, value, count=1)
    if wants_rport or via.host != host:
        value = value.rstrip() + b";received=" + host.encode()
    return value


def make_via(transport: str, host: str, port: int, branch: bytes) -> bytes:
    """Return a Via header field."""
    return b"Via: SIP/2.0/%b %b:%d;branch=%b" % (
        transport.encode(),
        bracketed(host).encode(),
        port,
        branch,
    )
