"""Our listeners, and the addresses that others know them by (RFC 3261 16.4, 16.6 steps 4, 8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from sip_stager.sip.uri import DEFAULT_PORT, Uri, bracketed
from sip_stager.sip.via import make_via


@dataclass(frozen=True, slots=True)
class Interface:
    """One listener: its transport ("UDP", "TCP"), and its advertised host and port.

    ``address`` is the IP address that it is bound to, and ``bound_port`` the port, if that is not
    the advertised one.  ``advertised`` may be a host name.
    """

    transport: str
    address: str
    advertised: str
    port: int
    bound_port: int = 0

    @property
    def family(self) -> int:
        """The IP version of the address, 4 or 6."""
        return ip_version(self.address)

    @property
    def endpoints(self) -> set[tuple[str, int]]:
        """The hosts and ports that mean this listener: bound and advertised."""
        hosts = canonical_host(self.address), canonical_host(self.advertised)
        return {(host, port) for host in hosts for port in (self.port, self.bound_port) if port}

    @property
    def uri_host(self) -> str:
        """Host, port and transport in the form of a URI that leads here."""
        transport = "" if self.transport == "UDP" else f";transport={self.transport.lower()}"
        return f"{bracketed(self.advertised)}:{self.port}{transport}"

    def record_route(self, seal: str) -> bytes:
        """Return the Record-Route field that leads later requests of a dialog back here."""
        return f"Record-Route: <sip:{seal}@{self.uri_host};lr>".encode()


class Interfaces:
    """All listeners; a flow has the index of one.

    Those with an index in ``closed`` were removed while the program ran.  Requests of dialogs still
    name them, so they are ours, but nothing is sent from them any more.
    """

    def __init__(
        self, interfaces: tuple[Interface, ...], closed: frozenset[int] = frozenset()
    ) -> None:
        self._all = interfaces
        self._own = {endpoint for interface in interfaces for endpoint in interface.endpoints}
        self._recorded = [interface.record_route("*").partition(b"*") for interface in interfaces]
        self.route_parts = [_route_parts(recorded) for recorded in self._recorded]
        """The bytes of a usual Route ahead of and behind the seal, if an interface recorded it."""
        self._via = [
            make_via(each.transport, each.advertised, each.port, b"") for each in interfaces
        ]
        self._speaks = [
            ("", 0) if index in closed else (interface.transport, interface.family)
            for index, interface in enumerate(interfaces)
        ]
        # Reversed, so that of two listeners that advertise the same the first counts.
        self._index_of = {
            (interface.transport, *endpoint): index
            for index, interface in reversed([*enumerate(interfaces)])
            for endpoint in interface.endpoints
        }

    def __getitem__(self, index: int) -> Interface:
        return self._all[index]

    def record_route(self, index: int, seal: bytes) -> bytes:
        """Return the Record-Route field of an interface."""
        before, _, after = self._recorded[index]
        return before + seal + after

    def via(self, index: int, branch: bytes) -> bytes:
        """Return the Via field of an interface."""
        return self._via[index] + branch

    def contact(self, index: int) -> bytes:
        """Return the Contact of an early dialog of our own (RFC 3261 12.1.1)."""
        return f"<sip:{self._all[index].uri_host}>".encode()

    def is_ours(self, uri: Uri) -> bool:
        """Return True if a URI means this program."""
        return (canonical_host(uri.host), uri.port or DEFAULT_PORT) in self._own

    def leads_to(self, uri: Uri, index: int) -> bool:
        """Return True if a request to a URI, with its maddr, would arrive on that interface."""
        interface = self._all[index]
        endpoint = canonical_host(uri.target), uri.port or DEFAULT_PORT
        return interface.transport == uri.transport and endpoint in interface.endpoints

    def index_of(self, uri: Uri) -> int | None:
        """Return the index of the interface that wrote this Record-Route URI, or None."""
        key = uri.transport, canonical_host(uri.host), uri.port or DEFAULT_PORT
        return self._index_of.get(key)

    def choose_outgoing(self, transport: str, family: int, preferred: int | None) -> int | None:
        """Return the index of an interface to send from, the preferred one if possible, or None."""
        wanted = transport, family
        if preferred is not None and self._speaks[preferred] == wanted:
            return preferred
        return self._speaks.index(wanted) if wanted in self._speaks else None


def _route_parts(record_route: tuple[bytes, bytes, bytes]) -> tuple[bytes, bytes]:
    before, _, after = record_route
    return before.replace(b"Record-Route:", b"Route:", 1), after


@lru_cache(maxsize=4096)
def canonical_host(host: str) -> str:
    """Return the canonical form of an IP address, or a host name in lower case."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower()


@lru_cache(maxsize=4096)
def ip_version(host: str) -> int:
    """Return 4 or 6 for an IP address in text, and 0 for anything else, like a host name.

    An address with a scope (``fe80::1%eth0``) counts as none: a flow could not hold it.
    """
    try:
        return 0 if "%" in host else ip_address(host).version
    except ValueError:
        return 0
