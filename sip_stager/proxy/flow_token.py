"""The flow token: the address that a dialog's INVITE came from, in the seal (RFC 5626 5.2, 5.3).

A caller behind a NAT names an address in Contact that we cannot reach.  Requests for the caller go
back to where the INVITE came from instead, which the NAT lets through::

    caller 10.0.0.5 ---- NAT 203.0.113.7:40000 ---- we ---------------------------- callee
        |-- INVITE, Contact 10.0.0.5 ------------->|-- Record-Route: seal with token ->|
        |<----------- BYE to 203.0.113.7:40000 ----|<-- BYE 10.0.0.5, Route: seal -----|

The token is the IP address and the port in hexadecimal: 12 or 36 digits.  The transport and our own
address are those of the Record-Route.  A TCP connection is found by the address and port of its
other end, so nothing in the token depends on this process.  The digest of the seal covers it.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from sip_stager.proxy.hosts import ip_version

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow

PORT_DIGITS = 4
LENGTHS = (12, 36)
"""Bytes of the token of an IPv4 and of an IPv6 address."""
_PRIVATE = [
    ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
        "100.64.0.0/10",  # RFC 6598: between a provider's NAT and its customers
        *("169.254.0.0/16", "fe80::/10"),  # link-local
        "fc00::/7",  # RFC 4193
    )
]


def make_flow_token(source: Flow) -> bytes:
    """Return the token of a flow; empty for an address that a token cannot hold."""
    if not ip_version(source.host):
        return b""
    return (ip_address(source.host).packed + source.port.to_bytes(2, "big")).hex().encode("ascii")


def read_flow_token(token: bytes) -> tuple[str, int]:
    """Return the address and the port of a token of ours."""
    end = len(token) - PORT_DIGITS
    address = bytes.fromhex(token[:end].decode("ascii"))
    return str(ip_address(address)), int(token[end:], 16)


@lru_cache(maxsize=4096)
def is_private(host: str) -> bool:
    """Return True for an IP address that means another host in each network."""
    if not ip_version(host):
        return False
    address = ip_address(host)
    return any(address in network for network in _PRIVATE)
