"""A request's head and its response (RFC 9112)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class RequestHead:
    """A request line and header fields, ready to send.

    They hold the API key, so no ``repr`` shows them.  ``fields`` are all header fields, each with
    its line end, but Content-Length, which is added for the body.
    """

    __slots__ = ("_bytes", "method")

    def __init__(self, method: str, target: bytes, fields: bytes) -> None:
        self.method = method
        self._bytes = b"%b %b HTTP/1.1\r\n%b" % (method.encode(), target, fields)

    def with_body(self, body: bytes) -> bytes:
        """Return the bytes of the whole request."""
        if not body and self.method in {"GET", "HEAD"}:
            return b"%b\r\n" % self._bytes
        return b"%bContent-Length: %d\r\n\r\n%b" % (self._bytes, len(body), body)


class Abortable(Protocol):
    """A connection that can be closed at once."""

    def abort(self) -> None:
        """Close at once."""


@dataclass(slots=True, eq=False)
class HttpResponse:
    """A response; ``unread`` is the reason why its body was not read, or empty.

    A ``status`` below 100 is not one of HTTP; it is 0 if it cannot be read as a number.

    ``connection`` is the one that it came by, if that is kept open.

    Field names are in lower case.  Body and fields are in no ``repr``: an API may echo the key.
    """

    status: int = 0
    fields: list[tuple[bytes, bytes]] = field(default_factory=list, repr=False)
    body: bytes = field(default=b"", repr=False)
    unread: str = ""
    connection: Abortable | None = field(default=None, repr=False)

    def value(self, name: bytes) -> str | None:
        """Return a field's value, those of several lines joined (RFC 9110 5.3), or None."""
        values = [value for each, value in self.fields if each == name]
        return b", ".join(values).decode("latin-1") if values else None

    def distrust(self) -> None:
        """Close the connection that it came by: it is the response to another request."""
        if self.connection is not None:
            self.connection.abort()
