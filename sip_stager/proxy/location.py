"""Finds the flow to a URI: at once where it holds an address, by look-up where a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.ports import Flow
from sip_stager.proxy.interfaces import Interfaces, canonical, ip_version
from sip_stager.sip.uri import DEFAULT_PORT, Uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Cancellable, Resolver
    from sip_stager.proxy.routing import Routed


class Locator:
    """Turns the URI of a next hop into a flow (RFC 3261 16.6 step 7, RFC 3263 4)."""

    def __init__(self, interfaces: Interfaces, resolver: Resolver) -> None:
        self._interfaces = interfaces
        self._resolver = resolver

    def address(self, uri: Uri) -> str:
        """Give the address that a URI leads to, as far as it is known; else its host."""
        return canonical(self._resolver.known(uri.target) or uri.target)

    def find(self, routed: Routed, done: Callable[[Flow | None], None]) -> Cancellable | None:
        """Call ``done`` with the flow to the next hop, or None where there is none.

        At once where the next hop is an IP address, and nothing is under way then; else later.
        """
        uri, preferred = routed.next_hop, routed.leaving
        if ip_version(uri.target):
            done(self._flow(uri, uri.target, preferred))
            return None

        def resolved(address: str | None) -> None:
            done(self._flow(uri, address, preferred) if address else None)

        return self._resolver.resolve(uri.target, resolved)

    def _flow(self, uri: Uri, address: str, preferred: int | None) -> Flow | None:
        version = ip_version(address)
        leaving = self._interfaces.leaving(uri.transport, version, preferred)
        if not version or leaving is None:
            return None
        return Flow(uri.transport, address, uri.port or DEFAULT_PORT, leaving)
