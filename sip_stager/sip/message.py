"""Messages: immutable, byte for byte what came (RFC 3261 7).

A message is a start line, header fields and a body.  ``names`` and ``fields`` run side by side:
the canonical name of each header field, and its bytes as they came, folds included and the final
line break not.  A changed message is a new one that shares what did not change.
"""

from __future__ import annotations

import re
from typing import Self

from sip_stager.sip.fields import Malformed, field_name, split_list, unfolded
from sip_stager.sip.uri import Address, Uri, parse_address, parse_uri
from sip_stager.sip.via import Via, parse_via, stamped

MOST_FIELDS = 256
"""Header fields in one message; real ones have a few dozen."""

_REQUEST_LINE = re.compile(
    rb"([A-Za-z0-9.!%*_+`'~-]+)[ \t]+([^\r\n]*?)[ \t]+(SIP/[0-9]+\.[0-9]+)[ \t]*\Z", re.IGNORECASE
)
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n]*)\Z", re.IGNORECASE)
_CSEQ = re.compile(rb"([0-9]{1,10})[ \t]+([A-Za-z0-9.!%*_+`'~-]+)\Z")
_SINGLE = (b"from", b"to", b"call-id", b"cseq")
_AT_MOST_ONCE = (b"max-forwards", b"content-length")


class Message:
    """What requests and responses share."""

    __slots__ = ("_via", "body", "fields", "names", "start_line")

    def __init__(
        self, start_line: bytes, names: list[bytes], fields: list[bytes], body: bytes = b""
    ) -> None:
        self.start_line = start_line
        self.names = names
        self.fields = fields
        self.body = body
        self._via: Via | None = None

    def __bytes__(self) -> bytes:
        return b"\r\n".join([self.start_line, *self.fields, b"", self.body])

    def value(self, name: bytes) -> bytes | None:
        """Give the first field of that name, unfolded; None where there is none."""
        try:
            return self._value(self.names.index(name))
        except ValueError:
            return None

    def values(self, name: bytes) -> list[bytes]:
        """Give all values of a field that is a comma-separated list, in their order."""
        return [
            value.strip(b" \t")
            for index, known in enumerate(self.names)
            if known == name
            for value in split_list(self._value(index))
        ]

    def _value(self, index: int) -> bytes:
        field = self.fields[index]
        return unfolded(field[field.index(b":") + 1 :])

    @property
    def call_id(self) -> bytes:
        """The Call-ID; empty where it is missing."""
        return self.value(b"call-id") or b""

    @property
    def cseq(self) -> tuple[int, bytes]:
        """The CSeq's number and method; raises ``Malformed`` (RFC 3261 8.1.1.5: below 2**31)."""
        match = _CSEQ.match(self.value(b"cseq") or b"")
        if match is None or int(match[1]) >= 2**31:
            raise Malformed("CSeq is not a number below 2**31 and a method")
        return int(match[1]), match[2]

    @property
    def cseq_method(self) -> bytes:
        """The method of the CSeq, which is the one of the transaction."""
        return self.cseq[1]

    @property
    def from_(self) -> Address:
        """The From; raises ``Malformed``."""
        return parse_address(self.value(b"from") or b"")

    @property
    def to(self) -> Address:
        """The To; raises ``Malformed``."""
        return parse_address(self.value(b"to") or b"")

    @property
    def top_via(self) -> Via:
        """The topmost Via value; raises ``Malformed``."""
        if self._via is None:
            self._via = parse_via(split_list(self.value(b"via") or b"")[0])
        return self._via

    def edited(self, names: list[bytes], fields: list[bytes]) -> Self:
        """Give the same message with other header fields."""
        return type(self)(self.start_line, names, fields, self.body)

    def without(self, name: bytes) -> Self:
        """Give the message without any field of that name."""
        if name not in self.names:
            return self
        kept = [(n, f) for n, f in zip(self.names, self.fields, strict=True) if n != name]
        return self.edited([n for n, _ in kept], [f for _, f in kept])

    def with_first(self, name: bytes, field: bytes) -> Self:
        """Give the message with a field ahead of all others."""
        return self.edited([name, *self.names], [field, *self.fields])

    def with_last(self, name: bytes, field: bytes) -> Self:
        """Give the message with a field behind all others."""
        return self.edited([*self.names, name], [*self.fields, field])

    def with_field(self, index: int, field: bytes) -> Self:
        """Give the message with the field at ``index`` written anew."""
        fields = self.fields.copy()
        fields[index] = field
        return self.edited(self.names, fields)

    def without_first(self, name: bytes) -> Self:
        """Give the message without the first value of a field that is a comma-separated list.

        Values that share its line stay, as they came; raises ``ValueError`` where there is none.
        """
        index = self.names.index(name)
        field = self.fields[index]
        start = field.index(b":") + 1
        first = split_list(field[start:])[0]
        rest = field[start + len(first) + 1 :]
        if rest:
            return self.with_field(index, field[:start] + b" " + rest.lstrip(b" \t\r\n"))
        names, fields = self.names.copy(), self.fields.copy()
        del names[index], fields[index]
        return self.edited(names, fields)

    def check(self) -> None:
        """Raise ``Malformed`` when a field that every message must have is missing or broken."""
        for name in _SINGLE:
            if self.names.count(name) != 1:
                raise Malformed(f"{name.decode()} must occur exactly once")
        for name in _AT_MOST_ONCE:
            if self.names.count(name) > 1:
                raise Malformed(f"{name.decode()} occurs more than once")
        _ = self.cseq
        if not self.call_id:
            raise Malformed("Call-ID is empty")
        length = content_length(self)
        if length is not None and length > len(self.body):
            raise Malformed("the body is shorter than Content-Length")


class Request(Message):
    """A request (RFC 3261 7.1)."""

    __slots__ = ("_request_line",)

    _request_line: tuple[bytes, bytes, bytes] | None

    def __init__(
        self, start_line: bytes, names: list[bytes], fields: list[bytes], body: bytes = b""
    ) -> None:
        super().__init__(start_line, names, fields, body)
        self._request_line = None

    def _parts(self) -> tuple[bytes, bytes, bytes]:
        if self._request_line is None:
            match = _REQUEST_LINE.match(self.start_line)
            if match is None:
                raise Malformed("not a Request-Line")
            self._request_line = match[1], match[2], match[3]
        return self._request_line

    @property
    def method(self) -> bytes:
        """The method, whose case matters (RFC 3261 7.1)."""
        return self._parts()[0]

    @property
    def uri_text(self) -> bytes:
        """The Request-URI as it came."""
        return self._parts()[1]

    @property
    def uri(self) -> Uri:
        """The Request-URI; raises ``Malformed``."""
        return parse_uri(self.uri_text)

    def with_uri(self, uri: bytes) -> Request:
        """Give the request with another Request-URI."""
        line = b"%b %b SIP/2.0" % (self.method, uri)
        return Request(line, self.names, self.fields, self.body)

    def stamped(self, host: str, port: int) -> Request:
        """Note in the top Via where the request came from (RFC 3261 18.2.1, RFC 3581 4)."""
        index = self.names.index(b"via")
        field = self.fields[index]
        start = field.index(b":") + 1
        first = split_list(field[start:])[0]
        noted = stamped(first, self.top_via, host, port)
        if noted is first:
            return self
        return self.with_field(index, field[:start] + noted + field[start + len(first) :])

    def check(self) -> None:
        """Raise ``Malformed`` with the status that the request deserves (RFC 3261 16.3, 8.2)."""
        method, uri, version = self._parts()
        if version.upper() != b"SIP/2.0":
            raise Malformed("only SIP/2.0 is spoken here", 505)
        if self.start_line != b"%b %b %b" % (method, uri, version):
            raise Malformed("white space in the Request-Line")
        super().check()
        _ = self.from_, self.to
        if self.cseq_method != method:
            raise Malformed("CSeq names another method")


class Response(Message):
    """A response (RFC 3261 7.2)."""

    __slots__ = ("reason", "status")

    def __init__(
        self, start_line: bytes, names: list[bytes], fields: list[bytes], body: bytes = b""
    ) -> None:
        super().__init__(start_line, names, fields, body)
        match = _STATUS_LINE.match(start_line)
        if match is None:
            raise Malformed("not a Status-Line")
        self.status = int(match[1])
        self.reason = match[2]


def content_length(message: Message) -> int | None:
    """Give the Content-Length, None where there is none; raises ``Malformed``."""
    text = message.value(b"content-length")
    if text is None:
        return None
    if not text.isdigit() or len(text) > 10:
        raise Malformed("Content-Length is not a number of bytes")
    return int(text)


def parse(data: bytes) -> Request | Response:
    """Parse a datagram or a message cut from a stream; raises ``Malformed``.

    Line breaks ahead of the message are skipped (RFC 3261 7.5), and bytes behind the body that
    Content-Length announces are left out (18.3); everything else is written back as it came.
    Only what can not be answered raises here: ``check`` finds the rest.
    """
    head, blank_line, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not blank_line:
        raise Malformed("the header has no end")
    start_line, *lines = head.split(b"\r\n")
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
        raise Malformed("a line break that is not CR LF")
    names, fields = _index(lines)
    kind = Response if start_line[:4].upper() == b"SIP/" else Request
    message = kind(start_line, names, fields, body)
    if isinstance(message, Request):
        _ = message.method
    if body and b"content-length" in names:
        _cut(message)
    return message


def _index(lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Name each header field, folded lines joined to the one they belong to."""
    if len(lines) > MOST_FIELDS:
        raise Malformed("too many header fields")
    names: list[bytes] = []
    fields: list[bytes] = []
    for line in lines:
        if line[:1] in {b" ", b"\t"}:
            if not fields:
                raise Malformed("the first header field begins with white space")
            fields[-1] += b"\r\n" + line
            continue
        colon = line.find(b":")
        if colon < 0:
            raise Malformed("a header field without a colon")
        names.append(field_name(line[:colon]))
        fields.append(line)
    return names, fields


def _cut(message: Message) -> None:
    try:
        length = content_length(message)
    except Malformed:
        return
    if length is not None and length < len(message.body):
        message.body = message.body[:length]
