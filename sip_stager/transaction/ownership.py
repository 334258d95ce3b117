"""Which messages belong to the transactions and calls of one process, while two share a socket.

It looks at a message without handling it, and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.message import Response
from sip_stager.sip.parser import parse
from sip_stager.transaction.matching import server_key

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.sip.message import Request
    from sip_stager.transaction.layer import TransactionLayer


def is_of_transaction(layer: TransactionLayer, data: bytes) -> bool:
    """Return True if a message belongs to a transaction that is alive."""
    try:
        message = parse(data)
        if isinstance(message, Response):
            key = message.transaction_key
            return key in layer.invite_clients or key in layer.clients
        return _has_server(layer, message)
    except Malformed:
        return False


class CallSet:
    """The calls that have an INVITE transaction now, by Call-ID.

    All their messages stay with this process, also the ACK of a 2xx and the BYE, which match no
    transaction: the log and the metrics of a call are then in one place.
    """

    def __init__(self, layer: TransactionLayer) -> None:
        self._layer = layer
        self._call_ids = {call_id_of(key) for key in layer.invite_servers}

    def has(self, data: bytes) -> bool:
        """Return True if a message belongs to one of the calls, or to a live transaction."""
        try:
            message = parse(data)
            if isinstance(message, Response):
                return is_of_transaction(self._layer, data)
            return message.call_id in self._call_ids or _has_server(self._layer, message)
        except Malformed:
            return False


def call_id_of(key: Hashable) -> bytes:
    """Return the Call-ID in the key of a server transaction (``matching.server_key``)."""
    parts = cast("tuple[object, ...]", key)
    if len(parts) == 2:  # an earlier transaction on a reused branch: its key and CSeq number
        parts = cast("tuple[object, ...]", parts[0])
    # A key without the cookie begins with Via and From, and has the Call-ID before the number.
    return cast("bytes", parts[2] if isinstance(parts[0], tuple) else parts[3])


def _has_server(layer: TransactionLayer, request: Request) -> bool:
    key = server_key(request)
    if (key, request.method) in layer.servers:
        return True
    # A CANCEL has the key of its INVITE, and so has the ACK of a refusal.
    return request.method in {b"INVITE", b"ACK", b"CANCEL"} and key in layer.invite_servers
