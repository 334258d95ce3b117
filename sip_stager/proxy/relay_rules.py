"""The next hops of requests from unknown sources (RFC 3261 16.6 step 4, 26.3).

A seal shows that a request belongs to a dialog of ours, not that a party of the dialog sent it: any
host on the path has read Call-ID, tag and Route.  So a request that comes neither from a trunk nor
from an upstream goes only where a party may be::

    an endpoint of ours ------------------------------------------> refused
    the address that a party named for its requests (the seal) ---> relayed
    a network of the setting, the host and port of an upstream ---> relayed
    an upstream's address, or one of the seal's trunk,
    with a port from 1024 ----------------------------------------> relayed
    anything else ------------------------------------------------> refused
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol

from sip_stager.proxy.hosts import canonical_host, ip_version
from sip_stager.sip.uri import DEFAULT_PORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.proxy.seal import Seal
    from sip_stager.sip.uri import Uri

FIRST_FREE_PORT = 1024
"""Ports below it are those of system services, which speak no SIP to strangers."""


class Peers(Protocol):
    """The addresses of trunks and upstreams."""

    def is_configured(self, host: str) -> bool:
        """Return True for an address in the settings, the same at any time."""

    def is_peer(self, host: str) -> bool:
        """Return True for an address of a trunk, or one of an upstream as it is now."""

    def is_upstream(self, host: str) -> bool:
        """Return True for an address or a name of an upstream."""

    def trunk_name(self, host: str) -> str:
        """Return the name of the trunk that an address belongs to; empty if it is of none."""


class RelayRules:
    """Decides where a sealed request from an unknown source may go.

    ``upstreams`` are those of the settings, and ``networks`` further next hops that the operator
    names.  ``own`` are hosts and ports of ours beside the interfaces: those of the metrics.
    """

    def __init__(
        self,
        interfaces: Interfaces,
        seal: Seal,
        peers: Peers,
        upstreams: Iterable[Uri],
        networks: Sequence[IPv4Network | IPv6Network] = (),
        own: Iterable[tuple[str, int]] = (),
    ) -> None:
        self._interfaces = interfaces
        self._seal = seal
        self._peers = peers
        self._upstreams = {_endpoint(uri) for uri in upstreams}
        self._networks = networks
        self._own = frozenset(own)

    def is_upstream(self, uri: Uri) -> bool:
        """Return True for the host and port of an upstream in the settings."""
        return _endpoint(uri) in self._upstreams

    def refusal(self, sealed: bytes, next_hop: Uri) -> str:
        """Return why a request with that seal is not relayed to a next hop; empty if it is."""
        host, port = endpoint = _endpoint(next_hop)
        if self._interfaces.is_ours(next_hop) or endpoint in self._own:
            return f"its next hop {host}:{port} is this program"
        named = self._seal.names(sealed, host, port) or endpoint in self._upstreams
        if named or self._is_in_networks(host):
            return ""
        if not self._is_of_party(sealed, host):
            return f"its next hop {host}:{port} is of no party of its dialog"
        if port < FIRST_FREE_PORT:
            return f"its next hop {host}:{port} has a port of system services"
        return ""

    def _is_of_party(self, sealed: bytes, host: str) -> bool:
        """Return True for an address of an upstream, or of the trunk in the seal."""
        if self._peers.is_upstream(host):
            return True
        trunk = self._peers.trunk_name(host)
        return bool(trunk) and self._seal.is_of_trunk(sealed, trunk)

    def _is_in_networks(self, host: str) -> bool:
        if not self._networks or not ip_version(host):
            return False
        address = ip_address(host)
        return any(address in network for network in self._networks)


def _endpoint(uri: Uri) -> tuple[str, int]:
    return canonical_host(uri.target), uri.port or DEFAULT_PORT
