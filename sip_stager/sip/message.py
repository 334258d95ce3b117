"""Requests and responses: immutable, byte for byte as received (RFC 3261 7.1, 7.2)."""

from __future__ import annotations

from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.generic_message import Message
from sip_stager.sip.shape import CANONICAL, Shape
from sip_stager.sip.uri import MAX_URI_BYTES, Uri, parse_uri
from sip_stager.sip.via import Via, noteworthy, parse_via, usual_via, with_source

__all__ = ["Message", "Request", "Response"]

MAX_FORWARDS = 255
"""RFC 3261 20.22."""
USUAL_MAX_FORWARDS = {b"Max-Forwards: %d" % hops: hops for hops in range(MAX_FORWARDS + 1)}
"""Max-Forwards as nearly all write it."""
MAX_DIGITS = 10
"""Digits of a number that is read; a longer one is no count of hops."""


class Request(Message):
    """A request (RFC 3261 7.1).

    ``method`` is case-sensitive and kept as received, as is ``uri_text``, the Request-URI.
    ``version`` is in upper case.  All three are parts of the ``start_line``.
    """

    __slots__ = ("_call_id", "_from_tag", "_hops", "_to_tag", "_uri", "_via", "method",
                 "uri_text", "version")  # fmt: skip

    def __init__(
        self,
        start_line: bytes,
        method: bytes,
        uri_text: bytes,
        shape: Shape,
        fields: list[bytes],
        body: bytes = b"",
        length: int = 0,
        version: bytes = b"SIP/2.0",
    ) -> None:
        self.start_line = start_line
        self.method = method
        self.uri_text = uri_text
        self.version = version
        self.shape = shape
        self.fields = fields
        self.body = body
        self.length = length
        self._cseq = self._call_id = self._from_tag = self._to_tag = None
        self._via: Via | None = None
        self._uri: Uri | None = None
        self._hops: int | None = None

    _call_id: bytes | None
    _from_tag: bytes | None
    _to_tag: bytes | None

    def edited(
        self, names: tuple[bytes, ...], fields: list[bytes], *, same_via: bool = True
    ) -> Request:
        """Return a copy with other header fields; From, To, Call-ID and CSeq must be the same."""
        copy = Request(
            self.start_line, self.method, self.uri_text, CANONICAL[names], fields, self.body,
            self.length, self.version,
        )  # fmt: skip
        copy._uri = self._uri
        copy._cseq = self._cseq
        copy._call_id = self._call_id
        copy._from_tag = self._from_tag
        copy._to_tag = self._to_tag
        if same_via:
            copy._via = self._via
        return copy

    @property
    def call_id(self) -> bytes:
        """The Call-ID, or empty."""
        call_id = self._call_id
        if call_id is None:
            call_id = self._call_id = self.value(b"call-id") or b""
        return call_id

    @property
    def to_tag(self) -> bytes:
        """The tag of the To, or empty."""
        tag = self._to_tag
        if tag is None:
            tag = self._to_tag = self._read_tag(self.shape.to)
        return tag

    @property
    def from_tag(self) -> bytes:
        """The tag of the From, or empty."""
        tag = self._from_tag
        if tag is None:
            tag = self._from_tag = self._read_tag(self.shape.from_)
        return tag

    @property
    def top_via(self) -> Via:
        """The topmost Via value; raises ``Malformed``."""
        via = self._via
        if via is None:
            index = self.shape.via
            via = usual_via(self.fields[index]) if index >= 0 else None
            self._via = via = via or parse_via(self.first(b"via") or b"")
        return via

    def requires(self, option: bytes) -> bool:
        """Return True if Require lists an option tag, passed in lower case (RFC 3261 20.32)."""
        if b"require" not in self.shape.first:
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
            index = self.shape.max_forwards
            hops = USUAL_MAX_FORWARDS.get(self.fields[index]) if index >= 0 else -1
        if hops is None:
            text = self.value(b"max-forwards") or b""
            if text.isdigit() and len(text) <= MAX_DIGITS:
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
        index, fields = self.shape.via, self.fields
        field = fields[index]
        if b"," in field:
            spelled, first, rest = self.split_first_value(index)
            fields[index] = spelled + with_source(first, via, host, port) + rest
        else:
            fields[index] = with_source(field, via, host, port)


class Response(Message):
    """A response (RFC 3261 7.2); ``status`` is part of the ``start_line``."""

    __slots__ = ("status",)

    def __init__(
        self,
        start_line: bytes,
        status: int,
        shape: Shape,
        fields: list[bytes],
        body: bytes = b"",
        length: int = 0,
    ) -> None:
        self.start_line = start_line
        self.status = status
        self.shape = shape
        self.fields = fields
        self.body = body
        self.length = length
        self._cseq = None

    @property
    def reason(self) -> bytes:
        """The reason phrase."""
        return self.start_line[len(b"SIP/2.0 200 ") :]

    def edited(
        self,
        names: tuple[bytes, ...],
        fields: list[bytes],
        *,
        same_via: bool = True,  # noqa: ARG002  a response's Via is not kept
    ) -> Response:
        """Return a copy with other header fields; From, To, Call-ID and CSeq must be the same."""
        copy = Response(
            self.start_line, self.status, CANONICAL[names], fields, self.body, self.length
        )
        copy._cseq = self._cseq
        return copy
