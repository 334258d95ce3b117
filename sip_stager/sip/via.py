"""The Via header field (RFC 3261 18.2, 20.42; RFC 3581)."""

from __future__ import annotations

import re
from typing import NamedTuple

from sip_stager.sip.fields import Malformed, Parameters, parse_parameters
from sip_stager.sip.uri import DEFAULT_PORT, bracketed, port_number

_VIA = re.compile(
    rb"\s*+SIP\s*+/\s*+[^\s/;,]++\s*+/\s*+([^\s/;,]++)\s++(\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9._-]++)\s*+"
    rb"(?::\s*+([0-9]{1,5}+)\s*+)?(;.*)?\Z",
    re.DOTALL | re.IGNORECASE,
)
_BRANCH = re.compile(rb";\s*branch\s*=\s*([^\s;,\"]+)", re.IGNORECASE)
_RPORT = re.compile(rb";\s*+rport\s*+(?==|;|\Z)(?:=\s*+[^\s;,]*+)?", re.IGNORECASE)
_RECEIVED = re.compile(rb";\s*+received\s*+(?==|;|\Z)(?:=\s*+[^\s;,]*+)?", re.IGNORECASE)

COOKIE = b"z9hG4bK"
"""How a branch begins that is unique in time and space (RFC 3261 8.1.1.7)."""


class Via(NamedTuple):
    """One Via value; ``host`` and ``port`` are its sent-by, the host without brackets.

    ``branch`` is empty where it identifies nothing: absent, or the cookie alone.  Where
    ``readable`` is false there are parameters, but not of the form ;name=value.
    """

    transport: str
    host: str
    port: int | None
    branch: bytes
    parameters: Parameters
    readable: bool = True

    @property
    def sent_by(self) -> tuple[str, int]:
        """The sent-by with its default port, in a form that compares (RFC 3261 17.2.3)."""
        return self.host, self.port or DEFAULT_PORT


def branch_of(value: bytes) -> bytes:
    """Give a Via value's branch without parsing the rest; raises ``Malformed``.

    Good for a response: the top Via is our own or the response is nobody's.
    """
    match = _BRANCH.search(value)
    if match is None:
        raise Malformed("a Via without a branch")
    return match[1]


def parse_via(value: bytes) -> Via:
    """Parse one Via value; raises ``Malformed`` where it names nobody who could be answered.

    The version is any: who speaks another one is told so (RFC 3261 21.5.7).
    """
    match = _VIA.match(value)
    if match is None:
        raise Malformed("not a Via value")
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


def with_source(value: bytes, via: Via, host: str, port: int) -> bytes:
    """Say in a request's top Via where it really came from (RFC 3261 18.2.1, RFC 3581 4).

    ``received`` is added when the source differs from sent-by, and always beside ``rport``; what
    the peer wrote into either is not believed.  The value comes back unchanged when it is true.
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
    """Make a whole Via header field of ours."""
    return b"Via: SIP/2.0/%b %b:%d;branch=%b" % (
        transport.encode(),
        bracketed(host).encode(),
        port,
        branch,
    )
