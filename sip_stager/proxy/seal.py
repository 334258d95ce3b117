"""The seal: our signature in Record-Route.  A request with it belongs to a dialog that we recorded.

The proxy keeps no dialogs.  Without the seal, anyone who writes a Route of ours could have requests
relayed to any address.  The key outlives the process, so that dialogs survive a restart.

The seal is the user part of the URI: a head, and a keyed digest of head, Call-ID and the caller's
tag.  The head is read only from a seal whose digest is right::

      n     1f3a    79d2c   5b01c2d4   cb0071079c40   4be0...(18)
      |      |        |         |           |             |
     mark  trunk    hour     party        flow         digest

- The mark says whether the caller is anonymous: ``n`` if not, ``w`` if the caller is but the From
  goes on as it is, ``v`` if it is hidden in every request of the dialog.  A seal with a flow has
  the mark in upper case.
- The trunk is a keyed digest of its name.
- The hour, counted since 1970, is when the dialog began.  A route set is never changed within a
  dialog (RFC 3261 12.2), so a seal cannot be renewed: its lifetime is that of the longest call.
- The party is a keyed digest of the address that the other party named for its requests, where
  that is known.  With it a request from an unknown source is relayed to that address.
- The flow is where the INVITE came from, if requests for the caller must go back there
  (``flow_token.py``).  Most seals have none.
"""

from __future__ import annotations

from functools import lru_cache, partial
from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.proxy.flow_token import LENGTHS as FLOW_LENGTHS
from sip_stager.proxy.flow_token import is_private, read_flow_token
from sip_stager.proxy.hosts import canonical_host
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.uri import DEFAULT_PORT, parse_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.sip.message import Message, Request
    from sip_stager.sip.uri import Uri

PLAIN = b"n"
"""The mark of a dialog whose caller requested no privacy."""
ANONYMOUS = b"w"
"""The mark of a dialog whose caller requested privacy."""
FROM_HIDDEN = b"v"
"""The mark of such a dialog in which the caller's From is hidden, too."""
_HIDDEN_MARKS = (FROM_HIDDEN, FROM_HIDDEN.upper())
_MARKS = (ANONYMOUS, ANONYMOUS.upper(), *_HIDDEN_MARKS)
TRUNK_END, HOUR_END, HEAD_END = 5, 10, 18
"""Where the parts of the head end in a seal: the trunk behind the mark, the hour, the party."""
DIGEST_LENGTH = 18
"""Bytes of the digest at the end of a seal."""
NOBODY = b"--------"
"""The party of a dialog in which none was named."""
LENGTH = HEAD_END + DIGEST_LENGTH
"""Bytes of a seal without a flow."""
_LENGTHS_WITH_FLOW = frozenset(LENGTH + each for each in FLOW_LENGTHS)
MAX_CACHED_BYTES = 256
"""Bytes of a Call-ID and a tag whose seal is cached: strangers choose their length."""
LIFETIME = 86_400.0
"""Seconds; the default lifetime of a seal."""
_HOUR = 3600.0  # seconds


class Named(NamedTuple):
    """The address that a message names for requests to its sender, as a seal has it."""

    party: bytes
    is_private: bool = False


_NOBODY_NAMED = Named(NOBODY)


def _beginning() -> float:
    return 0.0


class Seal:
    """Makes and verifies the user part of our Record-Route URIs (RFC 3261 16.6 step 4).

    The first of ``keys`` makes seals, and all verify them: a key is changed without ending a call
    by putting the new one ahead of the old.  A seal is valid for ``lifetime`` seconds, rounded up
    to an hour, of the clock ``now``, which counts seconds since 1970 and goes on in a restart.
    """

    def __init__(
        self, *keys: bytes, lifetime: float = LIFETIME, now: Callable[[], float] = _beginning
    ) -> None:
        self.keys = keys
        self._keys = [blake2b(key, digest_size=32, person=b"record-route").digest() for key in keys]
        self._lifetime = lifetime
        self._now = now
        self._hour = b""
        self._until = float("-inf")
        self._valid_hours: frozenset[bytes] = frozenset()
        self.of_dialog = lru_cache(maxsize=4096)(self._digest)
        """Returns the seal of a dialog by Call-ID, tag and head, which are together short."""
        self._named_by_field = lru_cache(maxsize=1024)(self._named_in)
        self._trunk_part = lru_cache(maxsize=1024)(partial(_short_digest, self._keys[0], size=2))

    def seal_for(
        self,
        invite: Request,
        trunk: str = "",
        *,
        anonymous: bool = False,
        hides_from: bool = False,
        flow_token: bytes = b"",
        named: Named | None = None,
    ) -> bytes:
        """Return the seal of the dialog that an INVITE of a trunk begins.

        ``named`` is the address that the INVITE names, if it was read before.
        """
        mark = FROM_HIDDEN if hides_from else ANONYMOUS if anonymous else PLAIN
        if self._now() >= self._until:
            self._begin_hour()
        party = (named or self.named_by(invite)).party
        head = mark + self._trunk_part(trunk) + self._hour + party
        if flow_token:
            head = head[:1].upper() + head[1:] + flow_token
        return self._of(invite.call_id, invite.from_tag, head)

    def with_party(self, sealed: bytes, call_id: bytes, tag: bytes, named: Uri) -> bytes:
        """Return the seal of the same dialog with another party's address."""
        party = _digest_of_address(self._keys[0], named.target, named.port or DEFAULT_PORT)
        # The trunk's digest is of the newest key as well: we have made the seal just now.
        flow_token = sealed[HEAD_END : len(sealed) - DIGEST_LENGTH]
        return self._of(call_id, tag, sealed[:HOUR_END] + party + flow_token)

    def flow_to_caller(self, sealed: bytes, request: Request) -> tuple[str, int] | None:
        """Return the address and port that a request for the caller goes back to.

        None if its dialog has none recorded, or the caller sent it.
        """
        if len(sealed) == LENGTH or not self._is_of(sealed, request, request.to_tag):
            return None
        return read_flow_token(sealed[HEAD_END : len(sealed) - DIGEST_LENGTH])

    def named_by(self, message: Message) -> Named:
        """Return the address that a message names for requests to its sender.

        That is the topmost Record-Route, which is that of the proxy closest to us, else Contact.
        """
        first = message.shape.first
        index = first.get(b"record-route", first.get(b"contact", -1))
        if index < 0:
            return _NOBODY_NAMED
        field = message.fields[index]
        cached = len(field) <= MAX_CACHED_BYTES
        return self._named_by_field(field) if cached else self._named_in(field)

    def is_valid(self, route: Uri, request: Request) -> bool:
        """Return True if we made that URI for the request's dialog, and its time is not over.

        Either side may have sent the request.  Raises ``Malformed``.
        """
        sealed = route.user or b""
        return self._is_made_here(sealed, request) and self.is_in_time(sealed)

    def is_expired(self, route: Uri, request: Request) -> bool:
        """Return True if we made that URI for the request's dialog, and its time is over."""
        sealed = route.user or b""
        return self._is_made_here(sealed, request) and not self.is_in_time(sealed)

    def is_in_time(self, sealed: bytes) -> bool:
        """Return True if the hour in a seal, or in its head alone, is within the lifetime."""
        if self._now() >= self._until:
            self._begin_hour()
        return sealed[TRUNK_END:HOUR_END] in self._valid_hours

    def is_of_trunk(self, sealed: bytes, name: str) -> bool:
        """Return True if the dialog with that seal began with a call of that trunk."""
        return any(sealed[1:TRUNK_END] == _short_digest(key, name, 2) for key in self._keys)

    def names(self, sealed: bytes, host: str, port: int) -> bool:
        """Return True if the address is the one that a party named, by the seal."""
        return any(
            sealed[HOUR_END:HEAD_END] == _digest_of_address(key, host, port) for key in self._keys
        )

    def sent_by_caller(self, sealed: bytes, request: Request) -> bool:
        """Return True if the caller of the dialog with that seal sent the request."""
        return self._is_of(sealed, request, request.from_tag)

    @staticmethod
    def is_anonymous(sealed: bytes) -> bool:
        """Return True if the seal says that the caller of its dialog is anonymous."""
        return sealed.startswith(_MARKS)

    def from_anonymous(self, route: Uri, request: Request) -> bool:
        """Return True if the dialog's caller is anonymous, and sent this request.

        Raises ``Malformed``.
        """
        sealed = route.user or b""
        return sealed.startswith(_MARKS) and self._is_of(sealed, request, request.from_tag)

    def hides_from(self, route: Uri, request: Request) -> bool:
        """Return True if the From of this request is to be hidden; raises ``Malformed``."""
        sealed = route.user or b""
        return sealed.startswith(_HIDDEN_MARKS) and self._is_of(sealed, request, request.from_tag)

    def to_anonymous(self, route: Uri, request: Request) -> bool:
        """Return True if the dialog's caller is anonymous, and the other side sent this request."""
        return (route.user or b"").startswith(_MARKS) and not self.from_anonymous(route, request)

    def _is_made_here(self, sealed: bytes, request: Request) -> bool:
        return self._is_of(sealed, request, request.from_tag) or self._is_of(
            sealed, request, request.to_tag
        )

    def _is_of(self, sealed: bytes, request: Request, tag: bytes) -> bool:
        length = len(sealed)
        # The mark says whether there is a flow, so no head is the beginning of another.
        with_flow = length in _LENGTHS_WITH_FLOW and sealed[:1].isupper()
        if not with_flow and (length != LENGTH or sealed[:1].isupper()):
            return False
        # The head is read from the text that is verified, which is safe: the digest covers it.
        head, call_id = sealed[: length - DIGEST_LENGTH], request.call_id
        if compare_digest(sealed, self._of(call_id, tag, head)):
            return True
        older = self._keys[1:]
        return any(compare_digest(sealed, _digest(key, call_id, tag, head)) for key in older)

    def _of(self, call_id: bytes, tag: bytes, head: bytes) -> bytes:
        digest = self.of_dialog if len(call_id) + len(tag) <= MAX_CACHED_BYTES else self._digest
        return digest(call_id, tag, head)

    def _digest(self, call_id: bytes, tag: bytes, head: bytes) -> bytes:
        return _digest(self._keys[0], call_id, tag, head)

    def _begin_hour(self) -> None:
        """Set the hours that are valid now, which change once an hour."""
        hour = int(self._now() // _HOUR)
        self._until = (hour + 1) * _HOUR
        self._hour = b"%05x" % hour
        lived = -int(-self._lifetime // _HOUR)
        # One that is still to come was made by another node, whose clock is ahead.
        self._valid_hours = frozenset(b"%05x" % each for each in range(hour - lived, hour + 2))

    def _named_in(self, field: bytes) -> Named:
        """Return the address in a Contact or Record-Route field."""
        try:
            uri = parse_address(_first_address(field.partition(b":")[2])).uri
        except Malformed:
            return _NOBODY_NAMED
        party = _digest_of_address(self._keys[0], uri.target, uri.port or DEFAULT_PORT)
        return Named(party, is_private(uri.target))


def _digest(key: bytes, call_id: bytes, tag: bytes, head: bytes) -> bytes:
    """Digest Call-ID, tag and head: no peer on the path can change the head."""
    data = b"%b%d %b%b" % (head, len(call_id), call_id, tag)
    return head + blake2b(data, digest_size=9, key=key).hexdigest().encode("ascii")


def _first_address(values: bytes) -> bytes:
    """Return the first of several addresses in a field."""
    end = values.find(b">")
    return values[: end + 1] if end >= 0 else values.partition(b",")[0]


def _digest_of_address(key: bytes, host: str, port: int) -> bytes:
    return _short_digest(key, f"{canonical_host(host)} {port}", 4) if host else NOBODY


def _short_digest(key: bytes, text: str, size: int) -> bytes:
    # With a key, or somebody could look for a name of their own with the digest of a party.
    return blake2b(text.encode(), digest_size=size, key=key).hexdigest().encode("ascii")
