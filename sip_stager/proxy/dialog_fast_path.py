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

from sip_stager.proxy.request_forwarding import Routed, new_routed
from sip_stager.proxy.seal import HEAD_END, PLAIN
from sip_stager.proxy.validation import has_been_here, routing_digest
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.message import USUAL_MAX_FORWARDS

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


class DialogFastPath:
    """Recognizes usual requests of dialogs, and routes them."""

    def __init__(
        self, interfaces: Interfaces, locator: Locator, seal: Seal, identifiers: Identifiers
    ) -> None:
        self._route_parts = interfaces.route_parts
        self._locator = locator
        self._seal_of_dialog = seal.of_dialog
        self._is_in_time = seal.is_in_time
        self._identifiers = identifiers
        self._next_hop = lru_cache(maxsize=4096)(self._find_next_hop)

    def route(self, request: Request, source: Flow) -> Routed | None:
        """Return a valid request of a dialog with its next hop; None for the general path."""
        shape, uri_text = request.shape, request.uri_text
        if not shape.plain_in_dialog or not request.usual or len(uri_text) > MAX_CACHED_BYTES:
            return None
        field, interface = request.fields[shape.route], source.interface
        before, after = self._route_parts[interface]
        # The head is read ahead of the comparison, which covers it; it has the same length always.
        start = len(before)
        head = field[start : start + HEAD_END]
        if not head.startswith(PLAIN) or not self._is_in_time(head):
            return None
        seal = self._seal(request, request.from_tag, head)
        if not compare_digest(field, before + seal + after):
            seal = self._seal(request, request.to_tag, head)
            if not compare_digest(field, before + seal + after):
                return None
        hops = USUAL_MAX_FORWARDS.get(request.fields[shape.max_forwards])
        next_hop = self._next_hop(uri_text, interface)
        if not hops or next_hop is None:
            return None
        routing = b""
        if request.method != b"ACK":  # the ACK of a 2xx has no transaction (16.11)
            routing = routing_digest(request, self._identifiers, own_route=True)
            if has_been_here(request, routing):
                return None
        uri, flow = next_hop
        return new_routed(
            (request, flow.interface, uri, routing, seal, False, "", shape.route, flow, False)
        )

    def _seal(self, request: Request, tag: bytes, head: bytes) -> bytes:
        """Return the seal that the dialog with that tag has; empty for one that is not usual."""
        call_id = request.call_id
        if not tag or len(call_id) + len(tag) > MAX_CACHED_BYTES:
            return b""
        return self._seal_of_dialog(call_id, tag, head)

    def _find_next_hop(self, uri_text: bytes, interface: int) -> tuple[Uri, Flow] | None:
        """Return the flow to a Request-URI if it needs neither rewriting nor a look-up."""
        try:
            return self._locator.known_flow(uri_text, interface)
        except Malformed:  # the general path knows what to answer
            return None
