"""Requests and responses: immutable, byte for byte as received (RFC 3261 7.1, 7.2)."""

from __future__ import annotations

import re
from typing import Self

from sip_stager.sip.fields import Malformed
from sip_stager.sip.generic import Message
from sip_stager.sip.uri import MAX_URI_BYTES, Uri, parse_uri
from sip_stager.sip.via import with_source

__all__ = ["Message", "Request", "Response"]

# Possessive quantifiers: no backtracking over a run of blanks, whose length a stranger chooses.
_REQUEST_LINE = re.compile(
    rb"([A-Za-z0-9.!%*_+`'~-]++)[ \t]++([^\r\n]*)(?<![ \t])[ \t]++(SIP/[0-9]+\.[0-9]+)[ \t]*+\Z",
    re.IGNORECASE,
)
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n]*)\Z", re.IGNORECASE)


class Request(Message):
    """A request (RFC 3261 7.1).

    ``method`` is case-sensitive and kept as received, as is ``uri_text``, the Request-URI.
    ``version`` is case-insensitive and written in upper case (RFC 3261 7.1).  Blanks in the
    Request-Line are read leniently, so that the request can be rejected with a response;
    ``Malformed`` is raised for a line that cannot be read at all.
    """

    __slots__ = ("_uri", "method", "uri_text", "version")

    def __init__(
        self, start_line: bytes, names: list[bytes], fields: list[bytes], body: bytes = b""
    ) -> None:
        super().__init__(start_line, names, fields, body)
        match = _REQUEST_LINE.match(start_line)
        if match is None:
            raise Malformed("invalid Request-Line")
        self.method, self.uri_text, self.version = match.groups()
        self._uri: Uri | None = None
        if not self.version.isupper():
            start, end = match.span(3)
            self.version = self.version.upper()
            self.start_line = start_line[:start] + self.version + start_line[end:]

    def edited(self, names: list[bytes], fields: list[bytes], *, same_via: bool = True) -> Self:
        """Return a copy with other header fields; From, To and CSeq must be the same."""
        copy = super().edited(names, fields, same_via=same_via)
        copy.method, copy.uri_text, copy.version = self.method, self.uri_text, self.version
        copy._uri = self._uri  # noqa: SLF001  of its own class
        return copy

    def requires(self, option: bytes) -> bool:
        """Return True if Require lists an option tag, passed in lower case (RFC 3261 20.32)."""
        required = self.rows(b"require")
        return bool(required) and option in b"\n".join(required).lower()

    @property
    def uri(self) -> Uri:
        """The Request-URI; raises ``Malformed``."""
        if self._uri is None:
            if len(self.uri_text) > MAX_URI_BYTES:
                raise Malformed("the Request-URI is too long", 414)
            self._uri = parse_uri(self.uri_text)
        return self._uri

    def with_uri(self, uri: bytes) -> Request:
        """Return the request with another Request-URI."""
        copy = self.edited(self.names, self.fields)
        copy.start_line = b"%b %b SIP/2.0" % (self.method, uri)
        copy.uri_text = uri
        copy._uri = None  # noqa: SLF001  of its own class
        return copy

    def with_source(self, host: str, port: int) -> Request:
        """Return the request with its source in the top Via (RFC 3261 18.2.1, RFC 3581 4).

        ``top_via`` stays the Via as the peer wrote it.  Raises ``Malformed`` if there is no Via
        or an invalid one.
        """
        via = self.top_via
        index = self.names.index(b"via")
        spelled, first, rest = self.split_first_value(index)
        noted = with_source(first, via, host, port)
        return self if noted is first else self.with_field(index, spelled + noted + rest)


class Response(Message):
    """A response (RFC 3261 7.2); its version is written in upper case."""

    __slots__ = ("reason", "status")

    def __init__(
        self, start_line: bytes, names: list[bytes], fields: list[bytes], body: bytes = b""
    ) -> None:
        super().__init__(start_line, names, fields, body)
        match = _STATUS_LINE.match(start_line)
        if match is None:
            raise Malformed("invalid Status-Line")
        if start_line[:3] != b"SIP":
            self.start_line = b"SIP" + start_line[3:]
        self.status = int(match[1])
        self.reason = match[2]

    def edited(self, names: list[bytes], fields: list[bytes], *, same_via: bool = True) -> Self:
        """Return a copy with other header fields; From, To and CSeq must be the same."""
        copy = super().edited(names, fields, same_via=same_via)
        copy.status, copy.reason = self.status, self.reason
        return copy
