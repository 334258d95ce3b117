"""Requests and responses: immutable, byte for byte as received (RFC 3261 7.1, 7.2)."""

from __future__ import annotations

import re

from sip_stager.sip.fields import Malformed
from sip_stager.sip.generic import Message
from sip_stager.sip.uri import MAX_URI_BYTES, Uri, parse_uri
from sip_stager.sip.via import noteworthy, with_source

__all__ = ["Message", "Request", "Response"]

# Possessive quantifiers: no backtracking over a run of blanks, whose length a stranger chooses.
_REQUEST_LINE = re.compile(
    rb"([A-Za-z0-9.!%*_+`'~-]++)[ \t]++([^\r\n]*)(?<![ \t])[ \t]++(SIP/[0-9]+\.[0-9]+)[ \t]*+\Z",
    re.IGNORECASE,
)
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n]*)\Z", re.IGNORECASE)

MAX_FORWARDS = 255
"""RFC 3261 20.22."""
MAX_DIGITS = 10
"""Digits of a number that is read; a longer one is no count of hops."""


class Request(Message):
    """A request (RFC 3261 7.1).

    ``method`` is case-sensitive and kept as received, as is ``uri_text``, the Request-URI.
    ``version`` is case-insensitive and written in upper case (RFC 3261 7.1).  Blanks in the
    Request-Line are read leniently, so that the request can be rejected with a response;
    ``Malformed`` is raised for a line that cannot be read at all.
    """

    __slots__ = ("_hops", "_uri", "method", "uri_text", "version")

    def __init__(
        self,
        start_line: bytes,
        names: tuple[bytes, ...] | list[bytes],
        fields: list[bytes],
        body: bytes = b"",
    ) -> None:
        match = _REQUEST_LINE.match(start_line)
        if match is None:
            raise Malformed("invalid Request-Line")
        self.method, self.uri_text, self.version = match.groups()
        self.start_line, self.names, self.fields, self.body = start_line, tuple(names), fields, body
        self.length = len(body)
        self._first = self._via = self._cseq = self._from_tag = self._to_tag = self._uri = (
            self._call_id
        ) = None
        self._hops: int | None = None
        if not self.version.isupper():
            start, end = match.span(3)
            self.version = self.version.upper()
            self.start_line = start_line[:start] + self.version + start_line[end:]

    _uri: Uri | None

    def edited(
        self, names: tuple[bytes, ...], fields: list[bytes], *, same_via: bool = True
    ) -> Request:
        """Return a copy with other header fields; From, To and CSeq must be the same."""
        copy: Request = object.__new__(Request)
        copy.start_line, copy.names, copy.fields, copy.body = (
            self.start_line, names, fields, self.body,
        )  # fmt: skip
        copy.method, copy.uri_text, copy.version = self.method, self.uri_text, self.version
        copy.length, copy._first, copy._uri, copy._hops = self.length, None, self._uri, None
        copy._cseq, copy._from_tag, copy._to_tag = self._cseq, self._from_tag, self._to_tag
        copy._call_id = None
        copy._via = self._via if same_via else None
        return copy

    def requires(self, option: bytes) -> bool:
        """Return True if Require lists an option tag, passed in lower case (RFC 3261 20.32)."""
        if b"require" not in self.names:
            return False
        return option in b"\n".join(self.rows(b"require")).lower()

    @property
    def uri(self) -> Uri:
        """The Request-URI; raises ``Malformed``."""
        uri = self._uri
        if uri is None:
            if len(self.uri_text) > MAX_URI_BYTES:
                raise Malformed("the Request-URI is too long", 414)
            uri = self._uri = parse_uri(self.uri_text)
        return uri

    @property
    def max_forwards(self) -> int:
        """Max-Forwards, at most 255 (RFC 3261 20.22); -1 if it is absent; raises ``Malformed``."""
        hops = self._hops
        if hops is None:
            text = self.value(b"max-forwards")
            if text is None:
                hops = -1
            elif text.isdigit() and len(text) <= MAX_DIGITS:
                hops = min(int(text), MAX_FORWARDS)
            else:
                raise Malformed("Max-Forwards is not a number")
            self._hops = hops
        return hops

    def with_uri(self, uri: bytes) -> Request:
        """Return the request with another Request-URI."""
        copy = self.edited(self.names, self.fields)
        copy.start_line = b"%b %b SIP/2.0" % (self.method, uri)
        copy.uri_text = uri
        copy._uri = None  # noqa: SLF001  of its own class
        return copy

    def note_source(self, host: str, port: int) -> None:
        """Write the source of the request into its top Via (RFC 3261 18.2.1, RFC 3581 4).

        This is the only change of a message in place.  The transaction layer makes it before any
        other room sees the request.  ``top_via`` stays the Via as the peer wrote it.  Raises
        ``Malformed`` if there is no Via or an invalid one.
        """
        via = self.top_via
        if not noteworthy(via, host):
            return
        index, fields = self.first_index[b"via"], self.fields
        field = fields[index]
        if b"," in field:
            spelled, first, rest = self.split_first_value(index)
            fields[index] = spelled + with_source(first, via, host, port) + rest
        else:
            fields[index] = with_source(field, via, host, port)


class Response(Message):
    """A response (RFC 3261 7.2); its version is written in upper case."""

    __slots__ = ("reason", "status")

    def __init__(
        self,
        start_line: bytes,
        names: tuple[bytes, ...] | list[bytes],
        fields: list[bytes],
        body: bytes = b"",
    ) -> None:
        match = _STATUS_LINE.match(start_line)
        if match is None:
            raise Malformed("invalid Status-Line")
        if start_line[:3] != b"SIP":
            start_line = b"SIP" + start_line[3:]
        self.start_line, self.names, self.fields, self.body = start_line, tuple(names), fields, body
        self.length = len(body)
        self.status, self.reason = int(match[1]), match[2]
        self._first = self._via = self._cseq = self._from_tag = self._to_tag = self._call_id = None

    def edited(
        self, names: tuple[bytes, ...], fields: list[bytes], *, same_via: bool = True
    ) -> Response:
        """Return a copy with other header fields; From, To and CSeq must be the same."""
        copy: Response = object.__new__(Response)
        copy.start_line, copy.names, copy.fields, copy.body = (
            self.start_line, names, fields, self.body,
        )  # fmt: skip
        copy.status, copy.reason, copy.length = self.status, self.reason, self.length
        copy._first, copy._via = None, self._via if same_via else None
        copy._cseq, copy._from_tag, copy._to_tag = self._cseq, self._from_tag, self._to_tag
        copy._call_id = None
        return copy
