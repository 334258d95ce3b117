"""The target set of a new call (RFC 3261 16.5)."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

from sip_stager.proxy.equivalence import equivalent
from sip_stager.proxy.request_forwarding import (
    STAGED_ID_FIELD,
    Routed,
    max_breadth,
    with_max_breadth,
)
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.message import Response
from sip_stager.sip.parties import parse_party, party_values
from sip_stager.sip.privacy import without_privacy_tag
from sip_stager.sip.telephone_uri import USER_PHONE, is_telephone, telephone_user
from sip_stager.sip.uri import Address, Uri, as_request_uri, escaped_user

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.sip.message import Request

MAX_CONTACTS = 32
"""Contacts of a 3xx that are considered."""

RequestUri = Literal["rewrite", "keep", "e164"]
"""The Request-URI of a new call: the user as dialled at the upstream's host, the Request-URI as it
came, or the called number in E.164."""


class Failover(NamedTuple):
    """The seconds after which the next target is tried, and whether it gets the staged id.

    ``silence`` is for a target that sends nothing, or no end of a cancelled INVITE; ``trying`` for
    one that sends 100 and nothing more.  ``one_platform``: the targets are one platform, which
    recognizes a staged id that another of them has got.
    """

    silence: float = 2.0
    trying: float = 10.0
    one_platform: bool = False


class UpstreamTargets(NamedTuple):
    """The targets of new calls, and how they are tried.

    ``uris`` are tried one after another.  The Request-URI gets their host, unless ``request_uri``
    keeps it as it came.  At most ``max_redirects`` Contacts of 3xx responses are tried for one
    call.  ``leaving`` has the interface that requests leave by for each transport; without an entry
    that is chosen by the route to the target.
    """

    uris: tuple[Uri, ...]
    request_uri: RequestUri = "rewrite"
    failover: Failover = Failover()
    max_redirects: int = 0
    leaving: dict[str, int] = {}  # noqa: RUF012  never changed

    def targets(self, request: Request, routing: bytes, number: str, seal: bytes) -> list[Routed]:
        """Return the request for each target; ``number`` is the called number as mapped."""
        uris = self.uris[: max_breadth(request)]
        # A caller must choose neither the path of a new call nor its staged agent.
        request = request.without(b"route").without(STAGED_ID_FIELD)
        if b"proxy-require" in request.shape.first:
            request = without_privacy_tag(request)
        if len(uris) > 1:
            # Each gets its part of Max-Breadth: after a failover two are pending (RFC 5393 5.3.3).
            request = with_max_breadth(request, len(uris))
        if self.request_uri == "keep":
            kept = request.with_uri(as_request_uri(request.uri_text))
            return [
                Routed(kept, self.leaving.get(uri.transport), uri, routing, seal) for uri in uris
            ]
        dialled = request.uri
        user = escaped_user(number) if self.request_uri == "e164" else dialled.user
        if b";" in dialled.text or not dialled.host:
            user, mark = self._telephone_user(user, dialled)
        else:
            mark = b""
        return [
            Routed(
                request.with_uri(upstream_request_uri(user, uri, mark)),
                self.leaving.get(uri.transport),
                uri,
                routing,
                seal,
            )
            for uri in uris
        ]

    def _telephone_user(self, user: bytes | None, dialled: Uri) -> tuple[bytes | None, bytes]:
        """Return the user part for a URI that has parameters, and ``user=phone`` if it needs that.

        With "e164" the number goes without parameters: npdi, rn and cic served a routing that is
        over (RFC 4694), and a number in E.164 needs no other to be read.
        """
        if not is_telephone(dialled):
            return user, b""
        if self.request_uri == "e164":
            return user, USER_PHONE if user and user.startswith(b"+") else b""
        return telephone_user(dialled), USER_PHONE


def upstream_request_uri(user: bytes | None, upstream: Uri, mark: bytes = b"") -> bytes:
    """Return the upstream's URI with another user, which is already escaped.

    ``mark`` is ``user=phone`` or empty.
    """
    scheme, host_part = _parts(upstream.text)
    if mark and mark in host_part.lower():
        mark = b""
    return scheme + (user + b"@" if user else b"") + host_part + mark


@lru_cache(maxsize=64)
def _parts(upstream: bytes) -> tuple[bytes, bytes]:
    """Split a URI into its scheme with the colon, and all behind its user."""
    scheme, colon, rest = upstream.partition(b":")
    return scheme + colon, rest.rpartition(b"@")[2]


class Redirection(NamedTuple):
    """The requests for the Contacts of a 3xx, and the 3xx with the remaining ones, if any."""

    targets: list[Routed]
    rest: Response | None


def follow_redirect(
    response: Response, tried: Routed, known: Iterable[Uri], limit: int
) -> Redirection:
    """Return targets for the Contacts of a 3xx, by falling q (RFC 3261 16.7 step 4).

    Contacts that are not SIP URIs stay in the response.  Those that are ``known`` are removed: no
    URI is tried twice for one call.
    """
    known, contacts = list(known), _contacts(response)
    by_q = sorted(contacts, key=_q_value, reverse=True)
    wanted = [address.uri for _, address in by_q if address.uri.scheme == b"sip"]
    found = distinct(wanted, known)[:limit]
    # 16.7 step 4: the Contacts that are followed are removed from the response, the others stay.
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
    """Return the URIs without those equivalent to an earlier or known one (RFC 3261 16.5)."""
    found = list(known)
    first = len(found)
    for uri in uris:
        if not any(equivalent(uri, other) for other in found):
            found.append(uri)
    return found[first:]


def _contacts(response: Response) -> list[tuple[bytes, Address]]:
    try:
        values = islice(party_values(response.rows(b"contact")), MAX_CONTACTS)
        return [(value, parse_party(value)) for value in values]
    except Malformed:
        return []


def _q_value(contact: tuple[bytes, Address]) -> float:
    """Return the q of a Contact, 1 by default (RFC 3261 20.10)."""
    try:
        return float(contact[1].parameters.get(b"q") or 1)
    except ValueError:
        return 0.0
