"""The peers in the settings: the networks of trunks, and the addresses of upstreams."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sip_stager.config.tables.address_types import parse_ip, split_sip_uri
from sip_stager.trunks.admission import TrunkNetworks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sip_stager.config import Settings


class KnownPeers:
    """``transport.Peers`` and ``relay_rules.Peers`` of the settings.

    ``addresses`` yields the addresses that a name has now.
    """

    def __init__(self, settings: Settings, addresses: Callable[[str], Iterable[str]]) -> None:
        hosts = [split_sip_uri(uri)[0] for uri in settings.upstream.uris]
        found = {host: parse_ip(host) for host in hosts}
        self._upstreams = {str(address) for address in found.values() if address is not None}
        self._names = [host for host, address in found.items() if address is None]
        self._trunk_of = TrunkNetworks(settings.trunks).trunk_of
        self._addresses = addresses
        self.is_configured = lru_cache(maxsize=4096)(self._is_configured)

    def is_peer(self, host: str) -> bool:
        """Return True for an address of a trunk, or one of an upstream as it is now."""
        return self.is_configured(host) or any(
            host in self._addresses(name) for name in self._names
        )

    def is_upstream(self, host: str) -> bool:
        """Return True for an address of an upstream as it is now, or for its name."""
        if host in self._upstreams or host in self._names:
            return True
        return any(host in self._addresses(name) for name in self._names)

    def trunk_name(self, host: str) -> str:
        """Return the name of the trunk that an address belongs to; empty if it is of none."""
        trunk = self._trunk_of(host)
        return trunk.name if trunk is not None else ""

    def is_behind_nat(self, host: str) -> bool:
        """Return True for an address of a trunk that the settings say is behind a NAT."""
        trunk = self._trunk_of(host)
        return trunk is not None and trunk.nat is True

    def _is_configured(self, host: str) -> bool:
        return host in self._upstreams or self._trunk_of(host) is not None
