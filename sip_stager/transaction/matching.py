"""The matching of requests to server transactions (RFC 3261 17.2.3), on reused branches as well.

Each request should have a branch of its own.  Some peers use one again for their next request: a
re-INVITE, or the INVITE with credentials after a 407.  The CSeq number tells such requests apart::

    request -- branch, sent-by, Call-ID, method --> the latest transaction
                  |-- its CSeq number ----> a repetition of its request, its ACK or its CANCEL
                  |-- a lower number -----> an earlier transaction's; if that is over, an old repeat
                  +-- a higher number ----> another transaction, which is the latest from now on

Hardly any branch is reused, so a usual request costs one look-up and one comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from sip_stager.sip.uri import DEFAULT_PORT
from sip_stager.sip.via import COOKIE
from sip_stager.transaction.answering_server import AnsweringServer

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.sip.message import Request

S = TypeVar("S", bound=AnsweringServer)


def server_key(request: Request) -> Hashable:
    """Return the key of a request's server transaction (RFC 3261 17.2.3).

    The Call-ID is part of it for peers that have one branch for all their calls.  A branch without
    the cookie comes from a peer of RFC 2543 and is not unique: such requests are compared by Via,
    From, Request-URI, Call-ID and the CSeq number.
    """
    via = request.via or request.top_via
    if via.branch.startswith(COOKIE):
        return via.branch, via.host, via.port or DEFAULT_PORT, request.call_id
    number = (request.value(b"cseq") or b"").replace(b"\t", b" ").partition(b" ")[0]
    sender = request.first(b"via"), request.value(b"from")
    return sender, request.uri_text, request.call_id, number


class EarlierServers(Generic[S]):
    """The live transactions that are not the latest of their branch, all of one kind.

    They stay in ``servers``, by their key and CSeq number; ``keys`` are those of all of them.  It
    is their ``base.Store``.
    """

    __slots__ = ("_servers", "keys")

    def __init__(self, servers: dict[Hashable, S]) -> None:
        self._servers = servers
        self.keys: set[Hashable] = set()

    def pop(self, key: Hashable, default: None, /) -> S | None:
        """Remove the transaction of a key."""
        self.keys.discard(key)
        return self._servers.pop(key, default)

    def match(self, key: Hashable, request: Request, latest: S | None) -> tuple[S | None, bool]:
        """Return the transaction of a request, or None; and True if it is an old repeat.

        ``latest`` is the transaction by the key alone.
        """
        number = request.cseq_number
        if number is None or (latest is not None and latest.cseq_number == number):
            return latest, False
        earlier = self._servers.get((key, number))
        if earlier is not None or latest is None or latest.cseq_number is None:
            return earlier, False
        is_ack = request.method == b"ACK"
        if number < latest.cseq_number:
            return None, not is_ack  # an ACK, perhaps of a 2xx, needs no transaction
        if is_ack:  # some peers count it as a request of its own
            return latest, False
        self._supersede(key, latest)
        return None, False

    def match_cancel(self, key: Hashable, cancel: Request) -> S | None:
        """Return the transaction that a CANCEL cancels (9.2), or None."""
        latest, number = self._servers.get(key), cancel.cseq_number
        if latest is not None and latest.cseq_number == number:
            return latest
        earlier = self._servers.get((key, number))
        if earlier is not None or latest is None:
            return earlier
        # Some peers count it as a request of its own; a lower number is of an INVITE that is over.
        return latest if (latest.cseq_number or 0) < (number or 0) else None

    def _supersede(self, key: Hashable, latest: S) -> None:
        moved = key, latest.cseq_number
        latest.move(self, moved)
        self._servers[moved] = latest
        self.keys.add(moved)
