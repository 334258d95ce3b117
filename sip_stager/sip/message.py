"""Requests and responses: immutable, byte for byte as received (RFC 3261 7.1, 7.2)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.generic_message import Message
from sip_stager.sip.shape import CANONICAL, Shape
from sip_stager.sip.uri import MAX_URI_BYTES, Uri, parse_uri
from sip_stager.sip.via import OUR_VIA, Via, noteworthy, usual_via, with_source

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow

__all__ = ["Message", "Request", "Response"]

MAX_FORWARDS = 255
"""RFC 3261 20.22."""
USUAL_MAX_FORWARDS = {b"Max-Forwards: %d" % hops: hops for hops in range(MAX_FORWARDS + 1)}
"""Max-Forwards as nearly all write it."""
MAX_CALL_ID_TEXT = 256
"""Limit on the length of a Call-ID in events."""
MAX_DIGITS = 10
"""Digits of a number that is read; a longer one is no count of hops."""

# The forms that nearly all peers write.  A usual From or To has neither a comma nor an open quote,
# and at most a tag behind its angle brackets.
_USUAL_PARTY = re.compile(rb'[^",>]*+(?:"[^"\\,]*+"[^",>]*+)?>(?:;tag=([^\s;,"=]++))?\Z').match
_USUAL_CSEQ = re.compile(rb"CSeq: ([0-9]{1,9}+) ([A-Z]++)\Z").match
_USUAL_CALL_ID = re.compile(rb"Call-ID: (\S++)\Z").match


class Request(Message):
    """A request (RFC 3261 7.1), read when it is made.

    ``method`` is case-sensitive and kept as received, as is ``uri_text``, the Request-URI.
    ``version`` is in upper case.  All three are parts of the ``start_line``.

    ``call_id`` and the tags are empty if they are absent.  ``via`` is the topmost Via value, None
    if it is malformed; so is ``cseq_number``, with an empty ``cseq_method``.  ``usual`` is True if
    it is written as nearly all peers write requests, and valid (``parser.check_request``).
    """

    __slots__ = (
        "_hops", "_uri", "call_id", "cseq_method", "cseq_number", "from_tag", "method", "to_tag",
        "uri_text", "usual", "version", "via",
    )  # fmt: skip

    call_id: bytes
    cseq_method: bytes
    cseq_number: int | None
    from_tag: bytes
    to_tag: bytes
    via: Via | None

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
        like: Request | None = None,
    ) -> None:
        self.start_line = start_line
        self.method = method
        self.uri_text = uri_text
        self.version = version
        self.shape = shape
        self.fields = fields
        self.body = body
        self.length = length
        self._uri: Uri | None = None
        self._hops: int | None = None
        if like is not None:
            self._copy_read(like)
            return
        self.usual = not shape.counts_fault and shape.via >= 0 and self._read_usual()
        if not self.usual:
            self._read_any()

    def _copy_read(self, like: Request) -> None:
        """Copy the values read of a request with the same From, To, Call-ID and CSeq."""
        self.usual, self.via, self.call_id = like.usual, like.via, like.call_id
        self.from_tag, self.to_tag = like.from_tag, like.to_tag
        self.cseq_number, self.cseq_method = like.cseq_number, like.cseq_method

    def _read_usual(self) -> bool:
        """Read the fields of a usual header; False if one of them is not written as usual."""
        shape, fields = self.shape, self.fields
        sender, recipient = _USUAL_PARTY(fields[shape.from_]), _USUAL_PARTY(fields[shape.to])
        cseq, call_id = _USUAL_CSEQ(fields[shape.cseq]), _USUAL_CALL_ID(fields[shape.call_id])
        via = usual_via(fields[shape.via])
        if not (sender and recipient and cseq and call_id and via):
            return False
        if cseq[2] == self.method and self.length == len(self.body):
            self.from_tag, self.to_tag = sender[1] or b"", recipient[1] or b""
            self.cseq_number, self.cseq_method = int(cseq[1]), cseq[2]
            self.call_id, self.via = call_id[1], via
            return True
        return False

    def _read_any(self) -> None:
        """Read the fields of any header."""
        self.call_id = self.value(b"call-id") or b""
        self.from_tag = self._read_tag(self.shape.from_)
        self.to_tag = self._read_tag(self.shape.to)
        try:
            self.via = self._parse_via()
        except Malformed:
            self.via = None
        try:
            self.cseq_number, self.cseq_method = self._parse_cseq()
        except Malformed:
            self.cseq_number, self.cseq_method = None, b""

    def edited(self, names: tuple[bytes, ...], fields: list[bytes]) -> Request:
        """Return a copy with other header fields; From, To, Call-ID and CSeq must be the same.

        Its ``via`` is that of the original.
        """
        return Request(
            self.start_line, self.method, self.uri_text, CANONICAL.of(names), fields, self.body,
            self.length, self.version, self,
        )  # fmt: skip

    @property
    def top_via(self) -> Via:
        """The topmost Via value; raises ``Malformed``."""
        return self.via or self._parse_via()

    @property
    def cseq(self) -> tuple[int, bytes]:
        """The CSeq's number and method; raises ``Malformed`` (RFC 3261 8.1.1.5: below 2**31)."""
        number = self.cseq_number
        return self._parse_cseq() if number is None else (number, self.cseq_method)

    @property
    def call_id_text(self) -> str:
        """The Call-ID for events: in ASCII, cut to the limit."""
        return self.call_id[:MAX_CALL_ID_TEXT].decode("ascii", "backslashreplace")

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
        start_line = b"%b %b SIP/2.0" % (self.method, uri)
        return Request(
            start_line, self.method, uri, self.shape, self.fields, self.body, self.length,
            like=self,
        )  # fmt: skip

    def ask_for_rport(self) -> None:
        """Treat the request as one whose top Via has rport: its sender is behind a NAT.

        Like ``note_source``, and ahead of it, this changes the message in place.
        """
        via = self.via or self._parse_via()
        if b"rport" in via.parameters:
            return
        self.via = via._replace(parameters={**via.parameters, b"rport": None})
        index, fields = self.shape.via, self.fields
        if b"," in fields[index]:
            spelled, first, rest = self.split_first_value(index)
            fields[index] = spelled + first.rstrip() + b";rport" + rest
        else:
            fields[index] = fields[index].rstrip() + b";rport"

    def note_source(self, source: Flow) -> None:
        """Write the source of the request into its top Via (RFC 3261 18.2.1, RFC 3581 4).

        This is the only change of a message in place.  The transaction layer makes it before any
        other room sees the request.  ``via`` stays the Via as the peer wrote it.  Raises
        ``Malformed`` if there is no Via or an invalid one.
        """
        via = self.via or self._parse_via()
        index, fields = self.shape.via, self.fields
        if self.usual and b"rport" in via.parameters:
            rport, received = _source_parameters(source)
            fields[index] = fields[index].replace(b";rport", rport, 1) + received
            return
        host, port = source.host, source.port
        if not noteworthy(via, host):
            return
        field = fields[index]
        if b"," in field:
            spelled, first, rest = self.split_first_value(index)
            fields[index] = spelled + with_source(first, via, host, port) + rest
        else:
            fields[index] = with_source(field, via, host, port)


@lru_cache(maxsize=1024)
def _source_parameters(source: Flow) -> tuple[bytes, bytes]:
    """Return rport and received of a Via that asks for rport; the sources are few."""
    return b";rport=%d" % source.port, b";received=" + source.host.encode()


class Response(Message):
    """A response (RFC 3261 7.2); ``status`` is part of the ``start_line``."""

    __slots__ = ("_cseq", "status")

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
        self._cseq: tuple[int, bytes] | None = None

    @property
    def reason(self) -> bytes:
        """The reason phrase."""
        return self.start_line[len(b"SIP/2.0 200 ") :]

    @property
    def cseq(self) -> tuple[int, bytes]:
        """The CSeq's number and method; raises ``Malformed`` (RFC 3261 8.1.1.5: below 2**31)."""
        cseq = self._cseq
        if cseq is None:
            index = self.shape.cseq
            match = _USUAL_CSEQ(self.fields[index]) if index >= 0 else None
            cseq = self._cseq = (int(match[1]), match[2]) if match else self._parse_cseq()
        return cseq

    @property
    def transaction_key(self) -> tuple[bytes, bytes]:
        """The branch and the method of its client transaction (17.1.3); raises ``Malformed``."""
        shape, fields = self.shape, self.fields
        if shape.via >= 0:
            branch, cseq = OUR_VIA(fields[shape.via]), _USUAL_CSEQ(fields[shape.cseq])
            if branch and cseq:
                return branch[1], cseq[2]
        return self.branch, self.cseq[1]

    @property
    def cseq_method(self) -> bytes:
        """The method of the request that the response is to; raises ``Malformed``."""
        return self.cseq[1]

    @property
    def top_via(self) -> Via:
        """The topmost Via value; raises ``Malformed``."""
        return self._parse_via()

    @property
    def call_id(self) -> bytes:
        """The Call-ID, or empty."""
        return self.value(b"call-id") or b""

    @property
    def to_tag(self) -> bytes:
        """The tag of the To, or empty."""
        return self._read_tag(self.shape.to)

    @property
    def from_tag(self) -> bytes:
        """The tag of the From, or empty."""
        return self._read_tag(self.shape.from_)

    def edited(self, names: tuple[bytes, ...], fields: list[bytes]) -> Response:
        """Return a copy with other header fields."""
        shape = CANONICAL.of(names)
        return Response(self.start_line, self.status, shape, fields, self.body, self.length)
