"""The address of this machine that a datagram was sent to, and that its answer is sent from.

A socket on a wildcard address would answer from the address of the route back, which on a machine
with several addresses is often another than the one that was asked (RFC 3581 4).  The kernel tells
the address with each datagram (IP_PKTINFO, IPV6_RECVPKTINFO), and takes one for each.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_stager.transport.types import LocalAddresses

_IP_PKTINFO = 8  # not in the socket module of Python 3.11
_KINDS = {(socket.IPPROTO_IP, _IP_PKTINFO), (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)}
_PKTINFO_4 = struct.Struct("=I4s4s")  # interface, local address, destination
_PKTINFO_6 = struct.Struct("=16sI")  # address, interface
ANCILLARY_BYTES = socket.CMSG_SPACE(_PKTINFO_6.size)
MAX_KNOWN = 1024
"""Contents of the kernel's messages that are remembered: addresses times network interfaces."""


class DatagramAddresses:
    """The addresses that one wildcard socket is used at."""

    def __init__(self, bound: socket.socket, listener: int, addresses: LocalAddresses) -> None:
        self._listener = listener
        self._addresses = addresses
        self._index_of: dict[bytes, int] = {}
        self._ancillary: dict[int, list[tuple[int, int, bytes]]] = {listener: []}
        if bound.family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            bound.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)

    def index_of(self, ancillary: list[tuple[int, int, bytes]]) -> int:
        """Return the index for the flow of a datagram with that ancillary data."""
        for level, kind, data in ancillary:
            if (level, kind) in _KINDS:
                index = self._index_of.get(data)
                return self._add(data) if index is None else index
        return self._listener

    def ancillary_for(self, index: int) -> list[tuple[int, int, bytes]]:
        """Return the ancillary data that sends a datagram from the address with that index."""
        found = self._ancillary.get(index)
        if found is None:
            found = self._ancillary[index] = _from_address(self._addresses.place(index)[1])
        return found

    def _add(self, data: bytes) -> int:
        size = _PKTINFO_4.size
        packed = _PKTINFO_4.unpack(data)[1] if len(data) == size else _PKTINFO_6.unpack(data)[0]
        address = ip_address(packed)
        # A link-local address means nothing without the network interface, which no flow has.
        index = self._listener
        if not address.is_link_local and not address.is_multicast:
            index = self._addresses.at(self._listener, str(address))
        if len(self._index_of) < MAX_KNOWN:
            self._index_of[data] = index
        return index


def _from_address(address: str) -> list[tuple[int, int, bytes]]:
    if not address:
        return []
    packed = ip_address(address).packed
    if len(packed) == 16:
        return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _PKTINFO_6.pack(packed, 0))]
    return [(socket.IPPROTO_IP, _IP_PKTINFO, _PKTINFO_4.pack(0, packed, bytes(4)))]
