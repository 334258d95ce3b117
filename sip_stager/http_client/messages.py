"""One HTTP request, and what came of it (RFC 9112)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterable


class Head:
    """A request's first line and headers, ready to send; they hold the key, so nothing shows them.

    ``lines`` are all headers but Content-Length, which comes with the body.
    """

    __slots__ = ("_bytes", "method")

    def __init__(self, method: str, target: bytes, lines: Iterable[tuple[bytes, bytes]]) -> None:
        self.method = method
        self._bytes = b"%b %b HTTP/1.1\r\n%b" % (
            method.encode(),
            target,
            b"".join(b"%b: %b\r\n" % line for line in lines),
        )

    def message(self, body: bytes) -> bytes:
        """Give the whole request."""
        if not body and self.method in {"GET", "HEAD"}:
            return b"%b\r\n" % self._bytes
        return b"%bContent-Length: %d\r\n\r\n%b" % (self._bytes, len(body), body)


@dataclass(slots=True, eq=False)
class Answer:
    """A whole answer; or one that was not read to its end, and ``unread`` says why."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list, repr=False)
    body: bytearray = field(default_factory=bytearray, repr=False)  # an API may echo the key
    unread: str = ""


class Unanswered(httpx.RemoteProtocolError):
    """The connection ended before any byte of an answer."""


class Crossed(Unanswered):
    """A connection that was used before ended so soon that the server never saw the request."""


Result = Answer | httpx.TransportError
