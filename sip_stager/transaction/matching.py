"""The matching of requests to server transactions (RFC 3261 17.2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.uri import DEFAULT_PORT
from sip_stager.sip.via import COOKIE

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.sip.message import Request


def server_key(request: Request) -> Hashable:
    """Return the key of a request's server transaction (RFC 3261 17.2.3).

    A branch without the cookie comes from a peer of RFC 2543 and is not unique: such requests
    are compared by Via, From, Request-URI, Call-ID and the CSeq number.
    """
    via = request.via or request.top_via
    if via.branch.startswith(COOKIE):
        return via.branch, via.host, via.port or DEFAULT_PORT
    number = (request.value(b"cseq") or b"").replace(b"\t", b" ").partition(b" ")[0]
    sender = request.first(b"via"), request.value(b"from")
    return sender, request.uri_text, request.call_id, number
