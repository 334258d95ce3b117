"""The target set of a new call (RFC 3261 16.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.proxy.routing import Routed, with_host_of
from sip_stager.sip.fields import Malformed
from sip_stager.sip.uri import Address, Uri, parse_address

if TYPE_CHECKING:
    from sip_stager.sip.message import Request, Response


class Upstream(NamedTuple):
    """Where new calls go on, and how its targets are tried.

    ``uris`` are tried one after another; ``rewrite`` puts their host into the Request-URI.  A
    target that says nothing for ``next_after`` seconds is given up where another is left.
    ``redirects`` is how many Contacts of 3xx responses are tried for one call, 0 for none.
    """

    uris: tuple[Uri, ...]
    rewrite: bool = True
    next_after: float = 2.0
    redirects: int = 0

    def targets(self, request: Request, routing: bytes) -> list[Routed]:
        """Give the requests for all targets; a Route of the caller's own choice is not followed."""
        request = request.without(b"route")
        if self.rewrite:
            return [
                Routed(request.with_uri(with_host_of(request.uri, uri)), None, uri, routing)
                for uri in self.uris
            ]
        if request.uri.headers:  # which RFC 3261 19.1.1 forbids there, ours among them
            request = request.with_uri(request.uri_text.partition(b"?")[0])
        return [Routed(request, None, uri, routing) for uri in self.uris]


def redirected(response: Response, tried: Routed, most: int) -> list[Routed]:
    """Give the requests for the Contacts of a 3xx, the ones with the highest q first.

    Those that are no SIP URIs are left out.
    """
    uris = [address.uri for address in sorted(_contacts(response), key=_wanted, reverse=True)]
    return [
        Routed(tried.request.with_uri(uri.text.partition(b"?")[0]), None, uri, tried.routing)
        for uri in {uri.text: uri for uri in uris}.values()
        if uri.scheme == b"sip"
    ][:most]


def _contacts(response: Response) -> list[Address]:
    try:
        return [parse_address(value) for value in response.values(b"contact")]
    except Malformed:
        return []


def _wanted(address: Address) -> float:
    """Read the q of a Contact, 1 where there is none (RFC 3261 20.10)."""
    try:
        return float(address.parameters.get(b"q") or 1)
    except ValueError:
        return 0.0
