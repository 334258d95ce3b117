"""What we listen on and how others are told to reach it (RFC 3261 16.4, 16.6 steps 4 and 8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from sip_stager.sip.uri import DEFAULT_PORT, Uri, bracketed


@dataclass(frozen=True, slots=True)
class Interface:
    """One listener: its transport ("UDP", "TCP"), and the host and port that others are told.

    ``address`` is the IP address that it is bound to, whose family it speaks, and ``bound`` its
    port where that is not the one that others are told; ``advertised`` may be a name.
    """

    transport: str
    address: str
    advertised: str
    port: int
    bound: int = 0

    @property
    def family(self) -> int:
        """4 or 6."""
        return ip_version(self.address)

    @property
    def places(self) -> set[tuple[str, int]]:
        """The hosts and ports that mean it: those that it listens on, and those it advertises."""
        hosts = canonical(self.address), canonical(self.advertised)
        return {(host, port) for host in hosts for port in (self.port, self.bound) if port}

    @property
    def place(self) -> str:
        """Host, port and transport as they stand in a URI that leads here."""
        transport = "" if self.transport == "UDP" else f";transport={self.transport.lower()}"
        return f"{bracketed(self.advertised)}:{self.port}{transport}"

    def record_route(self, seal: str) -> bytes:
        """Give the Record-Route field that brings later requests of a dialog back here."""
        return f"Record-Route: <sip:{seal}@{self.place};lr>".encode()


class Interfaces:
    """All of them; a flow names one by its index."""

    def __init__(self, interfaces: tuple[Interface, ...]) -> None:
        self._all = interfaces
        self._own = {place for interface in interfaces for place in interface.places}
        self._recorded = [interface.record_route("*").partition(b"*") for interface in interfaces]
        self._speaks = [(interface.transport, interface.family) for interface in interfaces]
        self._leading_to = {
            (interface.transport, *place): index
            for index, interface in reversed([*enumerate(interfaces)])
            for place in interface.places
        }

    def __getitem__(self, index: int) -> Interface:
        return self._all[index]

    def record_route(self, index: int, seal: bytes) -> bytes:
        """Give the Record-Route field of an interface."""
        before, _, after = self._recorded[index]
        return before + seal + after

    def contact(self, index: int) -> bytes:
        """Give the Contact of a dialog that an interface begins itself (RFC 3261 12.1.1)."""
        return f"<sip:{self._all[index].place}>".encode()

    def own(self, uri: Uri) -> bool:
        """Whether a URI means this program."""
        return (canonical(uri.host), uri.port or DEFAULT_PORT) in self._own

    def brought(self, uri: Uri, arrived: int) -> bool:
        """Whether sending to a URI, its maddr included, leads to that interface."""
        interface = self._all[arrived]
        place = canonical(uri.target), uri.port or DEFAULT_PORT
        return interface.transport == uri.transport and place in interface.places

    def named(self, uri: Uri) -> int | None:
        """Give the index of the interface that wrote this Record-Route URI."""
        place = uri.transport, canonical(uri.host), uri.port or DEFAULT_PORT
        return self._leading_to.get(place)

    def leaving(self, transport: str, family: int, preferred: int | None) -> int | None:
        """Choose the interface to send from, the preferred one when it can."""
        wanted = transport, family
        if preferred is not None and self._speaks[preferred] == wanted:
            return preferred
        return self._speaks.index(wanted) if wanted in self._speaks else None


@lru_cache(maxsize=4096)
def canonical(host: str) -> str:
    """Give the one spelling of an IP address; of a name, its lower case."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower()


@lru_cache(maxsize=4096)
def ip_version(host: str) -> int:
    """Give 4 or 6 for an IP address in text, 0 for anything else, a name for instance.

    An address with a scope is none: a flow could not hold it.
    """
    try:
        return 0 if "%" in host else ip_address(host).version
    except ValueError:
        return 0
