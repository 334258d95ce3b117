"""A fast path for the requests that dialogs consist of (RFC 3261 16.4 to 16.6).

Nearly every ACK, BYE and re-INVITE looks the same: one Route, which is ours to the last byte, a
Request-URI with an IP address, and nothing that a proxy must act on.  Such a request is recognized
by comparing its Route with the one that we must have recorded, without parsing it, and its next hop
is known from the last request to the same URI.

Every check of the general path is made here as well.  Whatever is unusual gets None, and takes the
general path (``core.py``), with the same result: a test sends the same requests along both.
"""

from __future__ import annotations

from functools import lru_cache
from hmac import compare_digest
from typing import TYPE_CHECKING

from sip_stager.proxy.request_forwarding import STAGED_ID_FIELD, Routed
from sip_stager.proxy.validation import has_been_here, routing_digest
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.privacy import IDENTITY_FIELDS

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.proxy.next_hop import Locator
    from sip_stager.proxy.seal import Seal
    from sip_stager.sip.identifiers import Identifiers
    from sip_stager.sip.message import Request
    from sip_stager.sip.uri import Uri

MAX_CACHED_BYTES = 256
"""Bytes of what a cache is asked for: strangers choose how long it is."""
_ACTED_ON = frozenset(
    {STAGED_ID_FIELD, b"proxy-require", b"proxy-authorization", b"max-breadth", *IDENTITY_FIELDS}
)
"""Fields that the general path acts on."""
_REQUIRED = frozenset({b"route", b"content-length", b"max-forwards"})


class DialogFastPath:
    """Recognizes usual requests of dialogs, and routes them."""

    def __init__(
        self, interfaces: Interfaces, locator: Locator, seal: Seal, identifiers: Identifiers
    ) -> None:
        self._interfaces = interfaces
        self._locator = locator
        self._seal = seal
        self._identifiers = identifiers
        self._route_value = lru_cache(maxsize=4096)(self._make_route_value)
        self._next_hop = lru_cache(maxsize=4096)(self._find_next_hop)

    def route(self, request: Request, source: Flow) -> Routed | None:
        """Return a valid request of a dialog with its next hop; None for the general path."""
        try:
            return self._route(request, source)
        except Malformed:  # the general path knows what to answer
            return None

    def _route(self, request: Request, source: Flow) -> Routed | None:
        shape = request.shape
        index = shape.route
        if not (shape.first.keys() >= _REQUIRED and _ACTED_ON.isdisjoint(shape.first)):
            return None
        seal = self._recorded_seal(request, request.fields[index], source.interface)
        if not seal or request.names.count(b"route") != 1 or request.max_forwards <= 0:
            return None
        uri_text = request.uri_text
        if len(uri_text) > MAX_CACHED_BYTES:
            return None
        next_hop = self._next_hop(uri_text, source.interface)
        if next_hop is None:
            return None
        routing = b""
        if request.method != b"ACK":  # the ACK of a 2xx has no transaction (16.11)
            routing = routing_digest(request, self._identifiers, own_route=True)
            if has_been_here(request, routing):
                return None
        uri, flow = next_hop
        return Routed(request, flow.interface, uri, routing, seal, own_route=index, flow=flow)

    def _recorded_seal(self, request: Request, field: bytes, interface: int) -> bytes:
        """Return the seal of the request's dialog if its Route is what we recorded, else empty."""
        call_id = request.call_id
        value = field.partition(b":")[2].strip(b" \t")
        for tag in (request.from_tag, request.to_tag):
            if tag and len(call_id) + len(tag) <= MAX_CACHED_BYTES:
                recorded, seal = self._route_value(call_id, tag, interface)
                if compare_digest(value, recorded):
                    return seal
        return b""

    def _make_route_value(self, call_id: bytes, tag: bytes, interface: int) -> tuple[bytes, bytes]:
        seal = self._seal.of_dialog(call_id, tag)
        return self._interfaces.route_value(interface, seal), seal

    def _find_next_hop(self, uri_text: bytes, interface: int) -> tuple[Uri, Flow] | None:
        """Return the flow to a Request-URI if it needs neither rewriting nor a look-up."""
        return self._locator.known_flow(uri_text, interface)
