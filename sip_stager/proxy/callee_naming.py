"""The address that the callee named, in the seal that the caller gets (RFC 3261 16.7 step 8).

The INVITE takes our Record-Route with the caller's address to the callee.  The responses bring it
back, and on the way it gets the callee's address instead::

    caller                      we                      callee
      |------ INVITE ---------->|-- Record-Route: seal ---->|   the seal names the caller's address
      |                         |                           |
      |<- Record-Route: seal' --|<-- Record-Route: seal ----|   seal' names the callee's

So a request from either side finds the way to the other, also from an address that we do not know.
Mostly the callee is at an upstream's address, which needs no naming: the response stays as it is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.uri import parse_address

if TYPE_CHECKING:
    from sip_stager.proxy.relay_rules import RelayRules
    from sip_stager.proxy.seal import Seal
    from sip_stager.sip.message import Response

MAX_CACHED_BYTES = 256
"""Bytes of a field that is cached: peers choose how long it is."""


class CalleeNaming:
    """Rewrites our Record-Route in the responses that make a dialog."""

    def __init__(self, seal: Seal, rules: RelayRules) -> None:
        self._seal = seal
        self._rules = rules
        self._is_upstream = lru_cache(maxsize=1024)(self._names_upstream)

    def name_callee(self, response: Response, sealed: bytes) -> Response:
        """Return a response to an INVITE with that seal, in which the seal names the callee."""
        shape, fields = response.shape, response.fields
        index = shape.record_route
        if index < 0:
            return response  # it makes no dialog, or the callee has lost our Record-Route
        if sealed in fields[index]:
            index = shape.first.get(b"contact", -1)
        field = fields[index]
        if index < 0 or (len(field) <= MAX_CACHED_BYTES and self._is_upstream(field)):
            return response
        try:
            return self._renamed(response, sealed)
        except Malformed:  # the caller judges it
            return response

    def _renamed(self, response: Response, sealed: bytes) -> Response:
        recorded = response.values(b"record-route")
        ours = next((index for index, value in enumerate(recorded) if sealed in value), -1)
        if ours < 0:
            return response
        # What the callee's side has recorded above us is our next hop; else it is the Contact.
        named = recorded[ours - 1] if ours else response.values(b"contact")[0]
        uri = parse_address(named).uri
        if uri.scheme != b"sip" or not self._rules.refusal(sealed, uri):
            return response
        renamed = self._seal.with_party(sealed, response.call_id, response.from_tag, uri)
        names, fields = response.names, response.fields
        lines = [
            field.replace(sealed, renamed) if name == b"record-route" else field
            for name, field in zip(names, fields, strict=True)
        ]
        return response.edited(names, lines)

    def _names_upstream(self, field: bytes) -> bool:
        """Return True if the address in a field is that of an upstream's URI."""
        try:
            uri = parse_address(field.partition(b":")[2].strip(b" \t")).uri
        except Malformed:
            return False
        return self._rules.is_upstream(uri)
