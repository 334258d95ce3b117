"""Branches and tags (RFC 3261 8.1.1.7, 19.3): unique in time and space, and not to be guessed."""

from __future__ import annotations

from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING

from sip_stager.sip.via import COOKIE

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


def tag_of(request: Request) -> bytes:
    """Make the To tag of a request that is refused unread: equal ones get one, others another."""
    return blake2b(bytes(request), digest_size=8).hexdigest().encode("ascii")


class Identifiers:
    """Makes identifiers from a secret seed; equal seeds make equal ones."""

    def __init__(self, seed: bytes) -> None:
        self._seed = blake2b(seed, digest_size=32).digest()
        self._count = count()

    def tag(self) -> bytes:
        """Make a tag of 64 bits (RFC 3261 19.3 asks for 32)."""
        return self._next(8)

    def answer_tag(self, *parts: bytes) -> bytes:
        """Make the To tag that equal parts always get (RFC 3261 8.2.7)."""
        return self._digest(b"\0".join((b"tag", *parts)), 8)

    def routing(self, *parts: bytes) -> bytes:
        """Make what tells a loop from a spiral: equal parts are routed alike (RFC 5393 4.2.2)."""
        return self._digest(b"\0".join((b"routing", *parts)), 8)

    def branch(self, routing: bytes = b"") -> bytes:
        """Make a branch of 96 bits behind the cookie; ``routing`` is its second part."""
        return COOKIE + self._next(12) + (b"." + routing if routing else b"")

    def stateless_branch(self, *parts: bytes) -> bytes:
        """Make the branch that equal parts always get (RFC 3261 16.11)."""
        return COOKIE + self._digest(b"\0".join(parts), 12)

    def _next(self, size: int) -> bytes:
        return self._digest(b"%d" % next(self._count), size)

    def _digest(self, data: bytes, size: int) -> bytes:
        return blake2b(data, digest_size=size, key=self._seed).hexdigest().encode("ascii")
