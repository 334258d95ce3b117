"""The parser of messages, and the checks on every message (RFC 3261 7, 8.1.1, 16.3).

``parse`` rejects only messages that cannot be answered; ``check_request`` finds all other faults
of a request, which are answered with a status.  A message that cannot be parsed is read once more
by ``salvage``, for a response to it.

What nearly all peers write takes the shortest way; every odd form is looked at where that fails::

    lines end with CR LF --------- no ---> end_with_crlf: LF alone, or Malformed
      | yes
    the names are a known shape -- no ---> a new shape; folded lines are joined
      | yes
    a usual start line ----------- no ---> blanks and lower case are read leniently, or Malformed
      | yes
    Request or Response

A header field whose name cannot be read is kept as it is: only what a proxy needs decides whether a
message exists (RFC 3261 16.3).
"""

from __future__ import annotations

import re

from sip_stager.sip.field_grammar import Malformed, unfold
from sip_stager.sip.framing import MAX_BODY_BYTES, end_with_crlf
from sip_stager.sip.message import Message, Request, Response
from sip_stager.sip.parties import parse_party, split_parties
from sip_stager.sip.shape import SPELLED, Shape

MAX_HEADER_LINES = 1_000
"""Limit on the lines of a header, folded ones included; real ones have a few dozen."""

METHODS = frozenset(
    b"ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SUBSCRIBE "
    b"UPDATE".split()
)
"""The registered methods."""

NO_LIMIT = 1 << 30
"""A number of lines that no message has."""
MAX_USUAL_LENGTH = 2048
"""The exclusive limit of a Content-Length that is looked up instead of read."""
MAX_LENGTH_DIGITS = 10
"""Limit on the digits of a Content-Length; no body is larger."""

# Possessive quantifiers: no backtracking over a run of blanks, whose length a stranger chooses.
_REQUEST_LINE = re.compile(
    rb"([A-Za-z0-9.!%*_+`'~-]++)[ \t]++([^\r\n]*)(?<![ \t])[ \t]++(SIP/[0-9]+\.[0-9]+)[ \t]*+\Z",
    re.IGNORECASE,
).match
_USUAL_REQUEST_LINE = re.compile(rb"([A-Z]++) ([^ \t]++) SIP/2\.0\Z").match
_USUAL_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ").match
_SPELLED = re.compile(rb"\n([^:\r\n]*+:?)").findall
"""Finds the name of each header line, with its colon."""
_SPELLED_FOLDED = re.compile(rb"\n(?![ \t])([^:\r\n]*+(?:\r\n[ \t][^:\r\n]*+)*:?)").findall
"""Finds the name of each field in a header with folded lines."""
_BREAK_OF_FIELDS = re.compile(rb"\r\n(?![ \t])")
_known_shape = SPELLED.get
_USUAL_LENGTHS = {b"Content-Length: %d" % length: length for length in range(MAX_USUAL_LENGTH)}
_ADDRESSES = (b"from", b"to")
_PLAIN_PARTY = re.compile(rb'[^",]*+(?:"[^"\\\\,]*+"[^",]*+)?\Z').match
"""Matches a From or To with neither a comma nor an open quote."""


def parse(data: bytes, max_lines: int = MAX_HEADER_LINES) -> Request | Response:
    """Parse a datagram or a message cut from a stream; raises ``Malformed``.

    Line breaks ahead of the message are skipped (RFC 3261 7.5), bytes after the body that
    Content-Length announces are dropped (18.3), ``sip/2.0`` is written in upper case (7.1), and a
    header with LF alone gets CR LF; everything else is kept as received.
    """
    head, blank_line, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    # A lone CR or LF is a line break to some peers: forwarded, it would smuggle a header field.
    if not blank_line or lines != head.splitlines():
        return parse(end_with_crlf(data), max_lines)
    start_line, *fields = lines
    spelled = tuple(_SPELLED(head))
    shape = _known_shape(spelled)
    if shape is None:
        if len(fields) > max_lines:
            raise Malformed(f"the header has more than {max_lines} lines", 513)
        shape, fields = _unknown_shape(head, spelled, fields)
    length = _USUAL_LENGTHS.get(fields[shape.content_length]) if fields else None
    if length != len(body) or length is None:
        length, body = _read_length(shape, fields, body)
    if match := _USUAL_STATUS_LINE(start_line):
        return Response(start_line, int(match[1]), shape, fields, body, length)
    if match := _USUAL_REQUEST_LINE(start_line):
        method, uri = match.groups()
        return Request(start_line, method, uri, shape, fields, body, length)
    if start_line[:4].upper() == b"SIP/":
        return _make_response(start_line, shape, fields, body, length)
    return _make_request(start_line, shape, fields, body, length)


def _unknown_shape(
    head: bytes, spelled: tuple[bytes, ...], fields: list[bytes]
) -> tuple[Shape, list[bytes]]:
    """Return a header's shape and its fields, each with its folded lines (RFC 3261 7.3.1)."""
    if b"\n " not in head and b"\n\t" not in head:
        return SPELLED.of(spelled), fields
    start_line, *fields = _BREAK_OF_FIELDS.split(head)
    if b"\r\n" in start_line:
        raise Malformed("the first header line begins with white space")
    # The shape is not kept: a known shape promises that there is nothing to join.
    return SPELLED.make(tuple(_SPELLED_FOLDED(head))), fields


def _read_length(shape: Shape, fields: list[bytes], body: bytes) -> tuple[int, bytes]:
    """Return the Content-Length, -1 if it is not a number, and the body without what follows it."""
    index = shape.content_length
    if index < 0:
        return len(body), body
    text = unfold(fields[index].partition(b":")[2])
    length = int(text) if text.isdigit() and len(text) <= MAX_LENGTH_DIGITS else -1
    return length, body[:length] if 0 <= length < len(body) else body


def parse_sent(data: bytes) -> Request | Response:
    """Parse a message that was composed here: sent messages are kept as bytes.

    It may have more lines than a received one, since a proxy adds some.
    """
    return parse(data, NO_LIMIT)


def parse_request(data: bytes) -> Request:
    """Parse a request that was composed here."""
    message = parse_sent(data)
    if isinstance(message, Request):
        return message
    raise Malformed("a response in place of a request")


def parse_response(data: bytes) -> Response:
    """Parse a response that was composed here."""
    message = parse_sent(data)
    if isinstance(message, Response):
        return message
    raise Malformed("a request in place of a response")


def _make_request(
    start_line: bytes, shape: Shape, fields: list[bytes], body: bytes, length: int
) -> Request:
    """Return a request; raises ``Malformed`` for a Request-Line that cannot be read at all.

    Blanks are read leniently, so that the request can be rejected with a response.
    """
    match = _REQUEST_LINE(start_line)
    if match is None:
        raise Malformed("invalid Request-Line")
    method, uri, version = match.groups()
    if not version.isupper():
        start, end = match.span(3)
        version = version.upper()
        start_line = start_line[:start] + version + start_line[end:]
    request = Request(start_line, method, uri, shape, fields, body, length, version)
    request.usual = False
    return request


def _make_response(
    start_line: bytes, shape: Shape, fields: list[bytes], body: bytes, length: int
) -> Response:
    """Return a response whose version is not in upper case; raises ``Malformed`` for any other."""
    start_line = start_line[:4].upper() + start_line[4:]
    match = _USUAL_STATUS_LINE(start_line)
    if match is None:
        raise Malformed("invalid Status-Line")
    return Response(start_line, int(match[1]), shape, fields, body, length)


def check_request(request: Request) -> None:
    """Raise ``Malformed`` with a status for an invalid request (RFC 3261 16.3 step 1).

    Fields that a proxy does not use are not checked.
    """
    if request.usual:
        return
    if request.version != b"SIP/2.0":
        raise Malformed("only SIP/2.0 is supported", 505)
    if request.start_line.count(b" ") != 2 or b"\t" in request.start_line:
        raise Malformed("extra white space in the Request-Line")
    if request.shape.counts_fault:
        raise Malformed(request.shape.counts_fault)
    fields, shape = request.fields, request.shape
    if not (_PLAIN_PARTY(fields[shape.from_]) and _PLAIN_PARTY(fields[shape.to])):
        _check_parties(request)
    if request.cseq[1] != request.method:
        # RFC 4475 3.1.2.17, 3.1.2.18: 501 where the method is unknown as well.
        status = 400 if request.method in METHODS else 501
        raise Malformed("the method in CSeq is not that of the request", status)
    if not request.call_id:
        raise Malformed("Call-ID is empty")
    if not request.top_via.readable:
        raise Malformed("the parameters of Via are not of the form ;name=value")
    check_body(request)


def _check_parties(request: Request) -> None:
    """Raise ``Malformed`` if From or To is more than one address, or none.

    Commas and quotes of a display name decide nothing: carriers copy names as they are.
    """
    for name in _ADDRESSES:
        values = list(split_parties(request.value(name) or b""))
        if len(values) > 1:
            raise Malformed(f"{name.decode().capitalize()} has more than one address")
        parse_party(values[0])


def check_body(message: Message) -> None:
    """Raise ``Malformed`` if Content-Length is not a number or more than the body has."""
    if message.length > MAX_BODY_BYTES:  # a stream yields the header alone, and skips such a body
        raise Malformed("the body is too long", 513)
    if message.length > len(message.body):
        raise Malformed("the body is shorter than Content-Length")
    if message.length < 0:
        raise Malformed("Content-Length is not a number")
