"""The target set of a new call (RFC 3261 16.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from sip_stager.proxy.equivalence import equivalent
from sip_stager.proxy.forwarding import bounded, breadth_of
from sip_stager.proxy.routing import Routed, with_host_of
from sip_stager.sip.fields import Malformed
from sip_stager.sip.uri import Address, Uri, as_request_uri, escaped_user, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.sip.message import Request, Response

MOST_CONTACTS = 32
"""Contacts of a 3xx that are looked at."""

RequestUri = Literal["rewrite", "keep", "e164"]
"""What a new call asks the upstream for: the user as dialled, the Request-URI, or the number."""


class Upstream(NamedTuple):
    """Where new calls go on, and how its targets are tried.

    ``uris`` are different ones, and tried one after another.  The Request-URI gets their host,
    unless ``request_uri`` keeps it as it came.  A target that says nothing for ``failover_timeout``
    seconds is given up where another is left.
    ``max_redirects`` is how many Contacts of 3xx responses are tried for one call, 0 for none.
    """

    uris: tuple[Uri, ...]
    request_uri: RequestUri = "rewrite"
    failover_timeout: float = 2.0
    redirects: int = 0

    def targets(self, request: Request, routing: bytes, number: str) -> list[Routed]:
        """Give the requests for all targets; a Route of the caller's own choice is not followed.

        ``number`` is the called one as it was mapped.  Each target gets its share of Max-Breadth,
        for one that is given up may still be under way beside the next (RFC 5393 5.3.3).
        """
        uris = self.uris[: breadth_of(request)]
        request = request.without(b"route")
        if len(uris) > 1:
            request = bounded(request, len(uris))
        if self.request_uri == "keep":
            kept = request.with_uri(as_request_uri(request.uri_text))
            return [Routed(kept, None, uri, routing) for uri in uris]
        user = escaped_user(number) if self.request_uri == "e164" else request.uri.user
        return [
            Routed(request.with_uri(with_host_of(user, uri)), None, uri, routing) for uri in uris
        ]


class Redirection(NamedTuple):
    """The requests for the Contacts of a 3xx, and the 3xx with the others, if there are any."""

    targets: list[Routed]
    rest: Response | None


def redirected(response: Response, tried: Routed, known: Iterable[Uri], most: int) -> Redirection:
    """Follow the Contacts of a 3xx, the ones with the highest q first (RFC 3261 16.7 step 4).

    Those that are no SIP URIs are left in it, and those that are ``known`` are gone: no URI is
    tried twice for one call.
    """
    known, contacts = list(known), _contacts(response)
    likeliest = sorted(contacts, key=_wanted, reverse=True)
    wanted = [address.uri for _, address in likeliest if address.uri.scheme == b"sip"]
    found = distinct(wanted, known)[:most]
    rest = response.without(b"contact")
    for value, address in contacts:
        if distinct([address.uri], known + found):
            rest = rest.with_last(b"contact", b"Contact: " + value)
    targets = [
        tried._replace(
            request=tried.request.with_uri(as_request_uri(uri.text)), leaving=None, next_hop=uri
        )
        for uri in found
    ]
    return Redirection(targets, rest if b"contact" in rest.names else None)


def distinct(uris: Iterable[Uri], known: Iterable[Uri] = ()) -> list[Uri]:
    """Leave out what is equivalent to one before, or to a known one (RFC 3261 16.5)."""
    kept = list(known)
    begin = len(kept)
    for uri in uris:
        if not any(equivalent(uri, other) for other in kept):
            kept.append(uri)
    return kept[begin:]


def _contacts(response: Response) -> list[tuple[bytes, Address]]:
    try:
        values = response.values(b"contact")[:MOST_CONTACTS]
        return [(value, parse_address(value)) for value in values]
    except Malformed:
        return []


def _wanted(contact: tuple[bytes, Address]) -> float:
    """Read the q of a Contact, 1 where there is none (RFC 3261 20.10)."""
    try:
        return float(contact[1].parameters.get(b"q") or 1)
    except ValueError:
        return 0.0
