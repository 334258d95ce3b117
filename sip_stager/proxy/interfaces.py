"""Our listeners, and the addresses that others know them by (RFC 3261 16.4, 16.6 steps 4, 8).

A flow has the index of an interface.  Each listener is one.  A listener on a wildcard address is
another for each of this machine's addresses that it is used at: a response leaves from the address
that was asked (RFC 3581 4), and without an advertised address Via and Record-Route have that one::

    index    listener                  address        advertised
      0      0, UDP 198.51.100.1       198.51.100.1   198.51.100.1
      1      1, UDP 0.0.0.0            0.0.0.0        0.0.0.0         before its use
    1024     1, UDP 0.0.0.0            10.9.0.1       10.9.0.1        since its use

A new request leaves by that with the address that the kernel has for packets to its target.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sip_stager.proxy.hosts import canonical_host, ip_version
from sip_stager.proxy.local_addresses import LocalAddresses
from sip_stager.sip.uri import DEFAULT_PORT, Uri, bracketed
from sip_stager.sip.via import make_via

if TYPE_CHECKING:
    from sip_stager.ports import Routes


@dataclass(frozen=True, slots=True)
class Interface:
    """One listener: its transport ("UDP", "TCP"), and its advertised host and port.

    ``address`` is the IP address that it is bound to, and ``bound_port`` the port, if that is not
    the advertised one.  ``advertised`` may be a host name; it equals a wildcard ``address`` if none
    is set.
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
    def is_wildcard(self) -> bool:
        """True if it is bound to every address of this machine."""
        return ip_address(self.address).is_unspecified

    @property
    def names_itself(self) -> bool:
        """True if it is bound to every address, and none is advertised."""
        return self.is_wildcard and self.advertised == self.address

    def at(self, address: str) -> Interface:
        """Return the interface of a wildcard listener at one address of this machine."""
        advertised = address if self.names_itself else self.advertised
        return replace(self, address=address, advertised=advertised)

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
    """All interfaces; a flow has the index of one.  Without ``routes`` the first one is taken.

    Listeners with an index in ``closed`` were removed while the program ran.  Requests of dialogs
    still name them, so they are ours, but nothing is sent from them any more.
    """

    def __init__(
        self,
        listeners: tuple[Interface, ...],
        closed: frozenset[int] = frozenset(),
        routes: Routes | None = None,
        addresses: LocalAddresses | None = None,
    ) -> None:
        self._closed = closed
        self._routes = routes
        self._addresses = addresses or LocalAddresses()
        self._all: dict[int, Interface] = {}
        self._own: set[tuple[str, int]] = set()
        self._recorded: dict[int, tuple[bytes, bytes, bytes]] = {}
        self._via: dict[int, bytes] = {}
        self._speaks: dict[int, tuple[str, int]] = {}
        self._leaves_by: dict[int, int] = {}
        self._index_of: dict[tuple[str, str, int], int] = {}
        self.route_parts: dict[int, tuple[bytes, bytes]] = {}
        """The bytes of a usual Route ahead of and behind the seal, if an interface recorded it."""
        self._by_kind: dict[tuple[str, int], list[int]] = {}
        for index, listener in enumerate(listeners):
            self._add(listener, index, index)
            if index not in closed:
                self._by_kind.setdefault((listener.transport, listener.family), []).append(index)
        self.wildcards = [index for index, each in enumerate(listeners) if each.is_wildcard]
        # Kinds with one listener, which sends whatever the kernel's route is.
        self._only = {
            kind: indexes[0]
            for kind, indexes in self._by_kind.items()
            if len(indexes) == 1 and not listeners[indexes[0]].names_itself
        }
        self._addresses.attach(self)

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

    def at(self, listener: int, address: str) -> int:
        """Return the index of a listener at an address of this machine that it is used at."""
        return self._addresses.at(listener, address)

    def place(self, index: int) -> tuple[int, str]:
        """Return the listener of an interface, and its address if the listener has several."""
        return self._addresses.place(index)

    def add_address(self, listener: int, address: str, index: int) -> None:
        """Add an address that a wildcard listener is used at."""
        base = self._all.get(listener)  # None for one that came after these interfaces
        if base is not None:
            # With an advertised address the kernel chooses: peers cannot tell the difference.
            leaving = index if base.names_itself else listener
            self._add(base.at(address), index, leaving, closed=listener in self._closed)

    def is_same_side(self, one: int, other: int) -> bool:
        """Return True if two interfaces are known to peers as the same."""
        return one == other or self._recorded[one] == self._recorded[other]

    def is_ours(self, uri: Uri) -> bool:
        """Return True if a URI means this program."""
        endpoint = canonical_host(uri.host), uri.port or DEFAULT_PORT
        return endpoint in self._own or (bool(self.wildcards) and self._discover(*endpoint))

    def leads_to(self, uri: Uri, index: int) -> bool:
        """Return True if a request to a URI, with its maddr, would arrive on that interface."""
        interface = self._all[index]
        endpoint = canonical_host(uri.target), uri.port or DEFAULT_PORT
        return interface.transport == uri.transport and endpoint in interface.endpoints

    def index_of(self, uri: Uri) -> int | None:
        """Return the index of the interface that wrote this Record-Route URI, or None."""
        key = uri.transport, canonical_host(uri.host), uri.port or DEFAULT_PORT
        return self._index_of.get(key)

    def choose_outgoing(
        self, transport: str, family: int, preferred: int | None, target: str = ""
    ) -> int | None:
        """Return the index of the interface to send from, or None if there is none of that kind.

        That is the preferred one, else one with its address, else one with the address that the
        kernel has for packets to ``target``, else the first.
        """
        kind = transport, family
        if preferred is not None and self._speaks[preferred] == kind:
            return self._leaves_by[preferred]
        only = self._only.get(kind)
        if only is not None:
            return only
        near = self._all[preferred] if preferred is not None else None
        return self._find_outgoing(
            kind, near.address if near and not near.is_wildcard else "", target
        )

    def _find_outgoing(self, kind: tuple[str, int], near: str, target: str) -> int | None:
        indexes = self._by_kind.get(kind)
        if indexes is None:
            return None
        routed = self._routes.source_for(target) if self._routes and target else ""
        for address in (near, routed):
            for index in indexes:
                if address and self._all[index].address == address:
                    return index
        for index in indexes:
            if self._all[index].is_wildcard:
                local = self._all[index].names_itself and routed
                return self.at(index, routed) if local else index
        return indexes[0]

    def _discover(self, host: str, port: int) -> bool:
        """Return True if a host is an address of this machine that a wildcard listener is used at.

        Nobody may have sent a packet there since the start, and a Route of an earlier run has it.
        """
        wildcards = [
            index
            for index in self.wildcards
            if port in {self._all[index].port, self._all[index].bound_port}
            and self._all[index].family == ip_version(host)
        ]
        if not wildcards or not self._is_local(host):
            return False
        for index in wildcards:
            self.at(index, host)
        return True

    def _is_local(self, host: str) -> bool:
        # A packet to an address of this machine has that address as its source, too.  For
        # 127.0.0.5 that would be 127.0.0.1.
        if ip_address(host).is_loopback:
            return True
        return self._routes is not None and self._routes.source_for(host) == host

    def _add(self, interface: Interface, index: int, leaving: int, *, closed: bool = False) -> None:
        """Add an interface, and the one that requests which arrived there leave by."""
        self._all[index] = interface
        self._own |= interface.endpoints
        self._recorded[index] = recorded = interface.record_route("*").partition(b"*")
        self.route_parts[index] = _route_parts(recorded)
        advertised = interface.advertised, interface.port
        self._via[index] = make_via(interface.transport, *advertised, b"")
        sends = not closed and index not in self._closed
        self._speaks[index] = (interface.transport, interface.family) if sends else ("", 0)
        self._leaves_by[index] = leaving
        for endpoint in interface.endpoints:
            # Of two listeners that advertise the same the first counts.
            self._index_of.setdefault((interface.transport, *endpoint), index)


def _route_parts(record_route: tuple[bytes, bytes, bytes]) -> tuple[bytes, bytes]:
    before, _, after = record_route
    return before.replace(b"Record-Route:", b"Route:", 1), after
