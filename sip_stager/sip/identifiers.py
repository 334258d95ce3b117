"""Branches and tags (RFC 3261 8.1.1.7, 19.3): unique in time and space, and unguessable."""

from __future__ import annotations

from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING

from sip_stager.sip.via import COOKIE

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


def tag_of(request: Request) -> bytes:
    """Return the To tag for a request that is rejected without parsing it.

    It is a digest, so that a retransmission gets the same tag (RFC 3261 8.2.7).
    """
    return blake2b(bytes(request), digest_size=8).hexdigest().encode("ascii")


TAG_LENGTH = 16
"""Bytes of a tag that an ``Identifiers`` makes."""


class Identifiers:
    """A generator of identifiers from a secret seed; equal seeds generate equal identifiers."""

    def __init__(self, seed: bytes) -> None:
        self._seed = blake2b(seed, digest_size=32).digest()
        self._count = count()

    def tag(self) -> bytes:
        """Return a new tag of 64 bits (RFC 3261 19.3 requires 32)."""
        return self._next(TAG_LENGTH // 2)

    def answer_tag(self, *parts: bytes) -> bytes:
        """Return the To tag of a stateless response: equal for equal parts (RFC 3261 8.2.7)."""
        return self._digest(b"\0".join((b"tag", *parts)), TAG_LENGTH // 2)

    def routing(self, *parts: bytes) -> bytes:
        """Return a digest that is equal for equal parts, to tell a loop from a spiral.

        RFC 5393 4.2.2.
        """
        return self._digest(b"\0".join((b"routing", *parts)), 8)

    def branch(self, routing: bytes = b"") -> bytes:
        """Return a new branch of 96 bits after the cookie; ``routing`` is its second part."""
        return COOKIE + self._next(12) + (b"." + routing if routing else b"")

    def stateless_branch(self, *parts: bytes) -> bytes:
        """Return the branch of a stateless forward: equal for equal parts (RFC 3261 16.11)."""
        return COOKIE + self._digest(b"\0".join(parts), 12)

    def _next(self, size: int) -> bytes:
        return self._digest(b"%d" % next(self._count), size)

    def _digest(self, data: bytes, size: int) -> bytes:
        return blake2b(data, digest_size=size, key=self._seed).hexdigest().encode("ascii")
