"""Finds the flow to a URI: at once where it holds an address, by look-up where a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.ports import Flow
from sip_stager.proxy.interfaces import Interfaces, ip_version
from sip_stager.sip.uri import DEFAULT_PORT, Uri, parameter

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Cancellable, Resolver


class Locator:
    """Turns the URI of a next hop into a flow (RFC 3261 16.6 step 7, RFC 3263 4)."""

    def __init__(self, interfaces: Interfaces, resolver: Resolver) -> None:
        self._interfaces = interfaces
        self._resolver = resolver

    def known(self, uri: Uri, preferred: int | None) -> Flow | None:
        """Give the flow at once where the URI holds an IP address that we can reach."""
        return self._flow(uri, target_host(uri), preferred)

    def address(self, uri: Uri) -> str:
        """Give the address that a URI leads to, as far as it is known; else its host."""
        host = target_host(uri)
        return self._resolver.known(host) or host

    def locate(
        self, uri: Uri, preferred: int | None, done: Callable[[Flow | None], None]
    ) -> Cancellable:
        """Look the host up, and call ``done`` later with the flow, or None."""

        def resolved(address: str | None) -> None:
            done(self._flow(uri, address, preferred) if address else None)

        return self._resolver.resolve(target_host(uri), resolved)

    def _flow(self, uri: Uri, address: str, preferred: int | None) -> Flow | None:
        version = ip_version(address)
        leaving = self._interfaces.leaving(uri.transport, version, preferred)
        if not version or leaving is None:
            return None
        return Flow(uri.transport, address, uri.port or DEFAULT_PORT, leaving)


def target_host(uri: Uri) -> str:
    """Give the host to send to: ``maddr`` goes ahead of the host (RFC 3261 19.1.1)."""
    maddr = parameter(uri, b"maddr").decode("latin-1").strip("[]")
    return maddr or uri.host
