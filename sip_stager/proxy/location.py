"""Finds the flow to a URI: at once where it holds an address, by look-up where a name."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from sip_stager.model.flow import Flow
from sip_stager.proxy.interfaces import Interfaces, ip_version
from sip_stager.sip.uri import DEFAULT_PORT, Uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Cancellable, Clock, Resolver
    from sip_stager.proxy.routing import Routed


NO_TCP_FOR = 600.0
"""Seconds in which a target that took no TCP connection is not tried over TCP again."""
MOST_AVOIDED = 1024
"""Targets remembered to take no TCP; past them the oldest is tried again."""


class Locator:
    """Turns the URI of a next hop into a flow (RFC 3261 16.6 step 7, RFC 3263 4).

    ``loopback`` tells whether a next hop may be on this machine.
    """

    def __init__(
        self, interfaces: Interfaces, resolver: Resolver, clock: Clock, *, loopback: bool = True
    ) -> None:
        self._interfaces = interfaces
        self._resolver = resolver
        self._clock = clock
        self._loopback = loopback
        self._without_tcp: dict[tuple[str, int], float] = {}

    def over_tcp(self, uri: Uri, target: Flow) -> Flow | None:
        """Give the flow for a request that is large for UDP (RFC 3261 18.1.1).

        None where the URI asks for a transport, no listener speaks TCP, or the target has refused
        it of late.
        """
        leaving = self._interfaces.leaving("TCP", ip_version(target.host), None)
        until = self._without_tcp.get(target[1:3], 0.0)
        asked = b"transport" in (uri.parameters or {})
        if asked or leaving is None or until > self._clock.time():
            return None
        return target._replace(transport="TCP", interface=leaving)

    def avoid(self, refused: Flow) -> None:
        """Remember that a target takes no TCP."""
        key = refused[1:3]
        self._without_tcp.pop(key, None)
        if len(self._without_tcp) >= MOST_AVOIDED:
            del self._without_tcp[next(iter(self._without_tcp))]
        self._without_tcp[key] = self._clock.time() + NO_TCP_FOR

    def find(self, routed: Routed, done: Callable[[Flow | None], None]) -> Cancellable | None:
        """Call ``done`` with the flow to the next hop, or None where there is none.

        At once where the next hop is an IP address, and nothing is under way then; else later.
        """
        uri, preferred = routed.next_hop, routed.leaving
        if uri.scheme != b"sip":  # sips forbids what is not TLS, and tel names no host
            done(None)
            return None
        if ip_version(uri.target):
            done(self._flow(uri, uri.target, preferred))
            return None

        def resolved(address: str | None) -> None:
            done(self._flow(uri, address, preferred) if address else None)

        return self._resolver.resolve(uri.target, resolved)

    def _flow(self, uri: Uri, address: str, preferred: int | None) -> Flow | None:
        version = ip_version(address)
        leaving = self._interfaces.leaving(uri.transport, version, preferred)
        if not version or leaving is None or not _is_of_one_host(address, self._loopback):
            return None
        return Flow(uri.transport, address, uri.port or DEFAULT_PORT, leaving)


@lru_cache(maxsize=4096)
def _is_of_one_host(address: str, loopback: bool) -> bool:  # noqa: FBT001  a cached key
    """Whether an address is of one host, and not this one unless ``loopback`` allows it.

    A peer's Contact may name any: multicast would multiply what is sent there, and behind the
    loopback address is what this machine keeps to itself.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    one = not (ip.is_multicast or ip.is_unspecified or str(ip) == "255.255.255.255")
    return one and (loopback or not ip.is_loopback)
