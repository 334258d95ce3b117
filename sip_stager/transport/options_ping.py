"""A SIP OPTIONS that asks whether a peer can be reached (RFC 3261 11).

It belongs to no call and has a socket of its own, so neither its response nor its failure ever
meets the transactions of calls.  Any final response shows that the peer can be reached; a 503 says
that it takes no calls.  Over UDP the request is repeated as by Timer E, until the time is over.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from errno import EADDRNOTAVAIL
from typing import NamedTuple

from sip_stager.sip.uri import bracketed

MAX_RESPONSE_BYTES = 65536
_FIRST_INTERVAL = 0.5  # seconds, T1
_STATUS = re.compile(rb"SIP/2\.0 ([2-6][0-9]{2})[ \r]")
_OUT_OF_SERVICE = 503


class Peer(NamedTuple):
    """The address of a peer, an IP literal, and the local address to ask from; any if empty."""

    address: str
    port: int
    transport: str
    source: str = ""

    @property
    def local(self) -> tuple[str, int] | None:
        """The local address to bind, with any free port."""
        return (self.source, 0) if self.source else None


async def ping(peer: Peer, seconds: float) -> str:
    """Return why a peer takes no calls; empty if it answered OPTIONS with anything but 503."""
    ask = _ask_over_tcp if peer.transport == "tcp" else _ask_over_udp
    try:
        async with asyncio.timeout(seconds):
            status = await ask(peer)
    except TimeoutError:
        return f"no answer to OPTIONS within {seconds:g} s"
    except OSError as error:
        if error.errno == EADDRNOTAVAIL and peer.source:
            # The settings are checked on another machine than theirs.
            return await ping(peer._replace(source=""), seconds)
        return os.strerror(error.errno).lower() if error.errno else "it closed the connection"
    if status == _OUT_OF_SERVICE:
        return "it answered OPTIONS with 503: it takes no calls now"
    return "" if status else "its answer is not SIP"


class _Responses(asyncio.DatagramProtocol):
    """The responses to one request; ``status`` is that of the final one, or a socket's error."""

    def __init__(self, call_id: bytes) -> None:
        self._call_id = call_id
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:  # noqa: ARG002
        """Take a final response to the request; anything else is not for us."""
        match = _STATUS.match(data)
        if match and self._call_id in data and not self.status.done():
            self.status.set_result(int(match[1]))

    def error_received(self, exc: Exception) -> None:
        """Take an ICMP error: nobody listens there."""
        if not self.status.done():
            self.status.set_exception(exc)


async def _ask_over_udp(peer: Peer) -> int:
    call_id = os.urandom(8).hex()
    transport, responses = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Responses(call_id.encode()),
        local_addr=peer.local,
        remote_addr=(peer.address, peer.port),
    )
    try:
        request = _request(peer, transport.get_extra_info("sockname"), call_id)
        interval = _FIRST_INTERVAL
        while True:
            transport.sendto(request)
            with suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(responses.status), interval)
            interval *= 2
    finally:
        responses.status.cancel()
        transport.close()


async def _ask_over_tcp(peer: Peer) -> int:
    reader, writer = await asyncio.open_connection(
        peer.address, peer.port, local_addr=peer.local, limit=MAX_RESPONSE_BYTES
    )
    try:
        writer.write(_request(peer, writer.get_extra_info("sockname"), os.urandom(8).hex()))
        while line := await reader.readline():  # of provisional responses, too
            if match := _STATUS.match(line):
                return int(match[1])
        raise ConnectionResetError
    except ValueError:  # a line over the limit
        return 0
    finally:
        writer.close()


def _request(peer: Peer, ours: tuple[str | int, ...], call_id: str) -> bytes:
    host, port = bracketed(str(ours[0])), ours[1]
    uri = f"sip:{bracketed(peer.address)}:{peer.port}"
    uri += ";transport=tcp" if peer.transport == "tcp" else ""
    lines = (
        f"OPTIONS {uri} SIP/2.0",
        f"Via: SIP/2.0/{peer.transport.upper()} {host}:{port};branch=z9hG4bK{call_id};rport",
        "Max-Forwards: 70",
        f"From: <sip:sip-stager@{host}>;tag={call_id}",
        f"To: <{uri}>",
        f"Call-ID: {call_id}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:sip-stager@{host}:{port}>",
        "Accept: application/sdp",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()
