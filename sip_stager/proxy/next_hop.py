"""The flows to a next hop: at once for an IP address, by DNS look-up for a host name."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from sip_stager.model.flow import Flow
from sip_stager.proxy.hosts import ip_version
from sip_stager.sip.uri import DEFAULT_PORT, Uri, parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from sip_stager.ports import Cancellable, Clock, Resolver
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.proxy.request_forwarding import Routed

    Located = Callable[[Flow | None, Sequence[Flow]], None]


TCP_AVOIDANCE_TIME = 600.0
"""Seconds; a target that refused a TCP connection is not tried over TCP again for so long."""
MAX_AVOIDED = 1024
"""Targets without TCP, or out of reach, that are remembered; beyond it the oldest is forgotten."""
UNREACHABLE_TIME = 30.0
"""Seconds; an address that refused a request or was silent is tried after the others of a name."""

_Remembered = dict[tuple[str, int], float]
"""The time until which something holds for a host and port, over any interface."""


class Locator:
    """Turns the URI of a next hop into flows (RFC 3261 16.6 step 7, RFC 3263 4).

    ``loopback``: a next hop may be on this machine.  ``is_connected`` returns True if a TCP
    connection with an address and port is open, ``tcp_upstreams`` are the addresses and ports of
    upstreams whose URI sets TCP.  What the locator ``before`` this one has learnt is shared.
    """

    def __init__(
        self,
        interfaces: Interfaces,
        resolver: Resolver,
        clock: Clock,
        *,
        loopback: bool = True,
        is_connected: Callable[[str, int], bool] | None = None,
        tcp_upstreams: Container[tuple[str, int]] = (),
        before: Locator | None = None,
    ) -> None:
        self._interfaces = interfaces
        self._resolver = resolver
        self._clock = clock
        self._loopback = loopback
        self._is_connected = is_connected or _never_connected
        self._tcp_upstreams = tcp_upstreams
        self.without_tcp: _Remembered = before.without_tcp if before else {}
        self.unreachable: _Remembered = before.unreachable if before else {}

    def tcp_flow(self, uri: Uri, target: Flow) -> Flow | None:
        """Return the TCP flow for a request that is too large for UDP (RFC 3261 18.1.1).

        None if the URI sets the transport, no listener speaks TCP, or the target refused it lately.
        """
        leaving = self._interfaces.choose_outgoing(
            "TCP", ip_version(target.host), target.interface, target.host
        )
        until = self.without_tcp.get(target[1:3], 0.0)
        explicit = b"transport" in (uri.parameters or {})
        if explicit or leaving is None or until > self._clock.time():
            return None
        return target._replace(transport="TCP", interface=leaving)

    def avoid_tcp(self, refused: Flow) -> None:
        """Remember that a target refused TCP.

        RFC 3261 18.1.1 makes us try TCP for every large request; each would wait for the refusal
        before it is sent over UDP.
        """
        self._remember(self.without_tcp, refused, TCP_AVOIDANCE_TIME)

    def try_last(self, failed: Flow) -> None:
        """Remember that an address cannot be reached, or is silent.

        Otherwise each call would wait for it before the next address of the name is tried, and the
        ACK, which gets no response, would be lost there.
        """
        self._remember(self.unreachable, failed, UNREACHABLE_TIME)

    def find(self, routed: Routed, source: Flow, done: Located) -> Cancellable | None:
        """Call ``done`` with the flow to the next hop, and with the flows to its other addresses.

        The first is None if nothing can be sent.  There are others if a host name has several
        addresses (RFC 3263 4.2).  For an IP address ``done`` is called before this returns None;
        for a host name later, and the look-up is returned.  The request came from ``source``.
        """
        if routed.flow is not None:
            done(routed.flow, ())
            return None
        uri, preferred = routed.next_hop, routed.leaving
        if uri.scheme != b"sip":  # sips requires TLS, and a tel URI has no host
            done(None, ())
            return None
        if ip_version(uri.target):
            done(self._flow(uri, uri.target, preferred), ())
            return None

        def resolved(addresses: Sequence[str]) -> None:
            found = [self._flow(uri, address, preferred) for address in addresses]
            flows = self._in_order([flow for flow in found if flow is not None])
            done(flows[0] if flows else None, flows[1:])

        return self._resolver.resolve(uri.target, resolved, source.host)

    def recorded_flow(
        self, transport: str, address: tuple[str, int], preferred: int | None
    ) -> Flow | None:
        """Return the flow to an address and port that a dialog's INVITE came from.

        None if it was a TCP connection that is gone: only its peer could open it again.
        """
        host, port = address
        if transport == "TCP" and not self._is_connected(host, port):
            return None
        leaving = self._interfaces.choose_outgoing(transport, ip_version(host), preferred, host)
        if leaving is None:
            return None
        flow = Flow(transport, host, port, leaving)
        if transport == "UDP":  # the NAT lets nothing else in: a large request would wait for it
            self.avoid_tcp(flow)
        return flow

    def known_flow(self, uri_text: bytes, preferred: int) -> tuple[Uri, Flow] | None:
        """Return a Request-URI and its flow if it needs neither rewriting nor a look-up.

        A pure function of its arguments, so it can be cached.  Raises ``Malformed``.
        """
        uri = parse_uri(uri_text)
        plain = uri.scheme == b"sip" and b"?" not in uri_text and b"method" not in uri_text.lower()
        if not plain or b"maddr" in (uri.parameters or {}) or self._interfaces.is_ours(uri):
            return None
        if self._depends_on_connections(uri, preferred):
            return None
        flow = self._flow(uri, uri.target, preferred) if ip_version(uri.target) else None
        return None if flow is None else (uri, flow)

    def _in_order(self, flows: list[Flow]) -> list[Flow]:
        """Return the flows with those last that were out of reach lately."""
        if len(flows) < 2 or not self.unreachable:
            return flows
        now, until = self._clock.time(), self.unreachable
        return sorted(flows, key=lambda flow: until.get(flow[1:3], 0.0) > now)

    def _remember(self, memory: _Remembered, flow: Flow, seconds: float) -> None:
        key = flow[1:3]  # host and port, over any interface
        memory.pop(key, None)  # so that it becomes the newest
        if len(memory) >= MAX_AVOIDED:
            del memory[next(iter(memory))]
        memory[key] = self._clock.time() + seconds

    def _flow(self, uri: Uri, address: str, preferred: int | None) -> Flow | None:
        version, port = ip_version(address), uri.port or DEFAULT_PORT
        transport = uri.transport
        if preferred is not None and self._depends_on_connections(uri, preferred):
            reached = address, port
            if reached in self._tcp_upstreams or self._is_connected(*reached):
                transport = "TCP"
        leaving = self._interfaces.choose_outgoing(transport, version, preferred, address)
        if not version or leaving is None or not _is_allowed(address, self._loopback):
            return None
        return Flow(transport, address, port, leaving)

    def _depends_on_connections(self, uri: Uri, preferred: int) -> bool:
        """Return True if a peer that we speak TCP with sets no transport in its URI.

        RFC 3263 4.1 takes such a URI for one of UDP.  But many user agents of TCP leave the
        transport out of their Contact, and listen on TCP alone.
        """
        speaks_tcp = self._interfaces[preferred].transport == "TCP"
        return speaks_tcp and b"transport" not in (uri.parameters or {})


def _never_connected(host: str, port: int) -> bool:  # noqa: ARG001  the port's signature
    return False


@lru_cache(maxsize=4096)
def _is_allowed(address: str, loopback: bool) -> bool:  # noqa: FBT001  a cached key
    """Return True for a unicast address, which may be of this machine only with ``loopback``.

    A peer's Contact can name any address: multicast would multiply our traffic, and the loopback
    address would reach services that this machine keeps to itself.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    unicast = not (ip.is_multicast or ip.is_unspecified or str(ip) == "255.255.255.255")
    return unicast and (loopback or not ip.is_loopback)
