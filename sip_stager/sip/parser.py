"""Bytes into messages, and what every message must have (RFC 3261 7, 8.1.1, 16.3)."""

from __future__ import annotations

from sip_stager.sip.fields import NAMES, Malformed
from sip_stager.sip.message import Message, Request, Response
from sip_stager.sip.uri import parse_address

MAX_HEADER_LINES = 256
"""Lines in the header of one message, folded ones counted; real ones have a few dozen."""

METHODS = frozenset(
    b"ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SUBSCRIBE "
    b"UPDATE".split()
)
"""The methods that have been registered."""

_SINGLE = (b"from", b"to", b"call-id", b"cseq")
_ADDRESSES = (b"from", b"to")
_AT_MOST_ONCE = (b"max-forwards", b"content-length")


def parse(data: bytes) -> Request | Response:
    """Parse a datagram or a message cut from a stream; raises ``Malformed``.

    Line breaks ahead of the message are skipped (RFC 3261 7.5), and bytes behind the body that
    Content-Length announces are left out (18.3), and ``sip/2.0`` is written in capitals (7.1);
    everything else is written back as it came.
    Only what can not be answered raises here: ``check_request`` finds the rest.
    """
    head, blank_line, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not blank_line:
        raise Malformed("the header has no end")
    lines = head.split(b"\r\n")
    start_line = lines.pop(0)
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
        raise Malformed("a line break that is not CR LF")
    if len(lines) > MAX_HEADER_LINES:
        raise Malformed("too many header lines")
    if b"\r\n " in head or b"\r\n\t" in head:
        lines = _joined(lines)
    names = [NAMES[line[: line.find(b":") + 1]] for line in lines]
    kind = Response if start_line[:4].upper() == b"SIP/" else Request
    message = kind(start_line, names, lines, body)
    if body and b"content-length" in names:
        _cut(message)
    return message


def _joined(lines: list[bytes]) -> list[bytes]:
    """Join folded lines to the one that they belong to (RFC 3261 7.3.1)."""
    fields: list[bytes] = []
    for line in lines:
        if not line.startswith((b" ", b"\t")):
            fields.append(line)
        elif fields:
            fields[-1] += b"\r\n" + line
        else:
            raise Malformed("the first header field begins with white space")
    return fields


def _cut(message: Message) -> None:
    try:
        length = content_length(message)
    except Malformed:
        return
    if length is not None and length < len(message.body):
        message.body = message.body[:length]


def check_request(request: Request) -> None:
    """Raise ``Malformed`` with the status that the request deserves (RFC 3261 16.3 step 1).

    What a proxy does not use itself is not looked at.
    """
    if request.version != b"SIP/2.0":
        raise Malformed("only SIP/2.0 is spoken here", 505)
    if request.start_line.count(b" ") != 2 or b"\t" in request.start_line:
        raise Malformed("white space in the Request-Line")
    distinct = set(request.names)
    if not distinct.issuperset(_SINGLE) or len(distinct) != len(request.names):
        _check_counts(request)
    for name in _ADDRESSES:
        field = request.fields[request.names.index(name)]
        if b"," in field or field.count(b'"') & 1:  # two addresses perhaps, or an open quote
            parse_address(request.value(name) or b"")
    if request.cseq[1] != request.method:
        status = 400 if request.method in METHODS else 501  # RFC 4475 3.1.2.18
        raise Malformed("CSeq names another method", status)
    if not request.call_id:
        raise Malformed("Call-ID is empty")
    if not request.top_via.readable:
        raise Malformed("parameters of Via are not of the form ;name=value")
    check_body(request)


def check_body(message: Message) -> None:
    """Raise ``Malformed`` when Content-Length is no number, or promises more than came."""
    length = content_length(message)
    if length is not None and length > len(message.body):
        raise Malformed("the body is shorter than Content-Length")


def content_length(message: Message) -> int | None:
    """Give the Content-Length, None where there is none; raises ``Malformed``."""
    text = message.value(b"content-length")
    if text is None:
        return None
    if not text.isdigit() or len(text) > 10:
        raise Malformed("Content-Length is not a number of bytes")
    return int(text)


def _check_counts(request: Request) -> None:
    for name in _SINGLE:
        if request.names.count(name) != 1:
            raise Malformed(f"{name.decode()} must occur exactly once")
    for name in _AT_MOST_ONCE:
        if request.names.count(name) > 1:
            raise Malformed(f"{name.decode()} occurs more than once")
