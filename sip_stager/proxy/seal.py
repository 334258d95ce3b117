"""The seal: our signature in Record-Route.  A request with it belongs to a dialog that we recorded.

The proxy keeps no dialogs.  Without the seal, anyone who writes a Route of ours could have requests
relayed to any address.  The key outlives the process, so that dialogs survive a restart.

The seal is the user part of the URI: a keyed digest of Call-ID and the caller's tag, in hex, with a
mark ahead of it if the caller is anonymous: one if the From goes on as it is, and another if it is
hidden in every request of the dialog.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_stager.sip.message import Request
    from sip_stager.sip.uri import Uri

ANONYMOUS = b"w"
"""The mark ahead of a seal: the caller of that dialog requested privacy."""
FROM_HIDDEN = b"v"
"""The mark of such a dialog in which the caller's From is hidden, too."""
_MARKS = (ANONYMOUS, FROM_HIDDEN)
MAX_CACHED_BYTES = 256
"""Bytes of a Call-ID and a tag whose seal is cached: strangers choose their length."""


class Seal:
    """Makes and verifies the user part of our Record-Route URIs (RFC 3261 16.6 step 4)."""

    def __init__(self, key: bytes) -> None:
        self._key = blake2b(key, digest_size=32, person=b"record-route").digest()
        self.of_dialog = lru_cache(maxsize=4096)(self._digest)
        """Returns the seal of a dialog by Call-ID, tag and mark, which are together short."""

    def seal_for(
        self, invite: Request, *, anonymous: bool = False, hides_from: bool = False
    ) -> bytes:
        """Return the seal of the dialog that an INVITE begins."""
        mark = FROM_HIDDEN if hides_from else ANONYMOUS if anonymous else b""
        return self._of(invite.call_id, invite.from_tag, mark)

    def is_valid(self, route: Uri, request: Request) -> bool:
        """Return True if we made that URI for the request's dialog; either side may have sent it.

        Raises ``Malformed``.
        """
        sealed = route.user or b""
        return self._is_of(sealed, request, request.from_tag) or self._is_of(
            sealed, request, request.to_tag
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
        return sealed.startswith(FROM_HIDDEN) and self._is_of(sealed, request, request.from_tag)

    def to_anonymous(self, route: Uri, request: Request) -> bool:
        """Return True if the dialog's caller is anonymous, and the other side sent this request."""
        return (route.user or b"").startswith(_MARKS) and not self.from_anonymous(route, request)

    def _is_of(self, sealed: bytes, request: Request, tag: bytes) -> bool:
        # The mark is read from the text that is verified, which is safe: the digest covers it.
        mark = sealed[:1] if sealed.startswith(_MARKS) else b""
        return compare_digest(sealed, self._of(request.call_id, tag, mark))

    def _of(self, call_id: bytes, tag: bytes, mark: bytes) -> bytes:
        digest = self.of_dialog if len(call_id) + len(tag) <= MAX_CACHED_BYTES else self._digest
        return digest(call_id, tag, mark)

    def _digest(self, call_id: bytes, tag: bytes, mark: bytes = b"") -> bytes:
        """Digest Call-ID, tag and mark: no peer on the path can remove the mark."""
        data = b"%b%d %b%b" % (mark, len(call_id), call_id, tag)
        return mark + blake2b(data, digest_size=9, key=self._key).hexdigest().encode("ascii")
