"""The framing of messages on a stream (RFC 3261 7.5, 18.3; RFC 5626 5.4), and the end of a header.

A stream is a sequence of these:

    *( CR LF )  start-line  headers  CR LF CR LF  body of Content-Length bytes
    '---------' '------------------------------'  '-------------------------'
     keepalives  its end is searched for once      not searched

No byte is searched twice, since a peer may send one byte at a time or thousands of messages at
once.  ``_searched`` is how far the end of the header is known not to be.  ``_awaited`` is how many
bytes the message needs to be complete: until then, ``feed`` only appends.  Yielded messages are
cut off the buffer once per call, after the last one.

Some peers end every line with LF alone.  Such a header is taken; one that mixes line breaks is not,
since two readers may disagree on its end and its fields.  So the end of a header is the first pair
of line breaks of any kind, and each pair is judged::

    CR LF CR LF                       all readers agree on the end
    LF LF, and no CR ahead of it      a header with LF alone
    anything else                     mixed: rejected, and the stream ends
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sip_stager.sip.field_grammar import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_HEADER_BYTES = 65536
"""Limit on a start line and header; signatures and tokens make real ones tens of KiB."""
MAX_BODY_BYTES = 65536
"""Limit on a body; as large as any that fits into a datagram."""
MAX_SKIPPED_BYTES = 16 * 1024 * 1024
"""Limit on a body that is skipped; a longer one ends the stream."""

PING = b"\r\n\r\n"
"""A keepalive: a double CR LF (RFC 5626 3.5.1)."""
PONG = b"\r\n"
"""The response to a ping (RFC 5626 5.4)."""

_LINE_BREAK = b"\r\n"
_NO_LINE_BREAK = re.compile(rb"[^\r\n]")
_END = b"\r\n\r\n"
_END_OF_LF = b"\n\n"
_BLANK_LINE = re.compile(rb"\r?\n(?:\r?\n|\r)|\r\r\n?")
"""Matches the first two line breaks of any kind in a row."""
# A length behind a lone CR or LF is found as well: it makes two of them.
_LENGTH = re.compile(rb"[\r\n](?:content-length|l)[ \t]*+:", re.IGNORECASE)
_VIA = re.compile(rb"[\r\n](?:via|v)[ \t]*+:", re.IGNORECASE)
_BYTES = re.compile(rb"[ \t]*+(?:\r\n[ \t]++)?([0-9]{1,10}+)[ \t]*+\r\n")

_MIXED = "line breaks are neither all CR LF nor all LF"
_NO_END = "no blank line ends the header, or no Content-Length a message of a stream"
_NO_LENGTH = "a message on a stream has no Content-Length"
_UNKNOWN_LENGTH = "Content-Length is not one valid number"
_TOO_LONG = "the header is too long"
_BODY_TOO_LONG = "the body is too long"


def end_with_crlf(data: bytes) -> bytes:
    """Return a message whose header has LF alone with CR LF in it; the body is as it was.

    Raises ``Malformed`` for a header that mixes line breaks or does not end.
    """
    data = data.lstrip(_LINE_BREAK)
    end = _BLANK_LINE.search(data)
    if end is None and len(data) >= MAX_HEADER_BYTES:
        raise Malformed(_TOO_LONG, 513)
    if end is None:
        raise Malformed(_NO_END)
    header = data[: end.start()]
    if end[0] != _END_OF_LF or b"\r" in header:
        raise Malformed(_MIXED)
    return header.replace(b"\n", b"\r\n") + _END + data[end.end() :]


def header_of(data: bytes) -> bytes:
    """Return a message up to its blank line, whatever its line breaks are."""
    data = data.lstrip(_LINE_BREAK)
    end = _BLANK_LINE.search(data)
    return data if end is None else data[: end.start()]


class Framer:
    """A splitter of one connection's bytes into messages.

    After it raises ``Malformed``, message boundaries are lost and the connection must be closed.
    ``pings`` counts keepalives, and ``skipped`` the bytes of bodies above the limit; its user acts
    on them and resets them.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._awaited = 0
        self._searched = 0
        self._to_skip = 0
        self.pings = 0
        self.skipped = 0

    @property
    def mid_message(self) -> bool:
        """True if a message has begun and is incomplete; line breaks do not begin one."""
        return self._to_skip > 0 or self._buffer[:1] not in _LINE_BREAK

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add received bytes and yield each complete message.

        Of a message whose body is above the limit, the header is yielded and the body is skipped.

        Raises ``Malformed``, after the messages before it, for a message whose end cannot be known,
        or that exceeds a limit.  Its header is yielded first, in a form that the parser rejects: so
        a response goes out before the close.
        """
        self._buffer += data
        if len(self._buffer) < self._awaited:
            return
        taken = self._awaited = 0
        try:
            while True:
                taken = self._after_line_breaks(self._after_skipped(taken))
                if self._buffer[taken : taken + 1] in _LINE_BREAK:  # no message has begun
                    return
                end = self._end_of_header(taken)
                if self._undecided(end) - taken > MAX_HEADER_BYTES:
                    if _VIA.search(self._buffer, taken, taken + MAX_HEADER_BYTES):
                        yield self._buffer[taken : taken + MAX_HEADER_BYTES]
                    raise Malformed(_TOO_LONG, 513)
                if end is None:
                    return
                header = self._buffer[taken : end.end()]
                body = _body_size(header, end[0])
                if body is None or body > MAX_BODY_BYTES:
                    yield from _without_body(header, end[0], body)
                    taken, self._to_skip = end.end(), body or 0
                    continue
                if end.end() + body > len(self._buffer):
                    self._awaited = len(header) + body
                    return
                start, taken = taken, end.end() + body
                yield self._buffer[start:taken]
        finally:
            self._buffer = self._buffer[taken:]

    def _after_skipped(self, start: int) -> int:
        """Return the end of a body that is skipped, or of its part that has arrived."""
        skipped = min(self._to_skip, len(self._buffer) - start)
        self._to_skip -= skipped
        self.skipped += skipped
        return start + skipped

    def _after_line_breaks(self, start: int) -> int:
        """Return the start of the next message, and count the pings ahead of it.

        A ping may be split across segments, so the last half of one stays in the buffer.
        """
        message = _NO_LINE_BREAK.search(self._buffer, start)
        end = message.start() if message else len(self._buffer)
        *pings, rest = self._buffer[start:end].split(_END)  # at once: there may be thousands
        self.pings += len(pings)
        return end if message else end - min(3, len(rest))

    def _end_of_header(self, start: int) -> re.Match[bytes] | None:
        """Find the line breaks that end the header; None while they have not arrived."""
        end = _BLANK_LINE.search(self._buffer, start + self._searched)
        if end is not None and end.end() == len(self._buffer) and end[0].endswith(b"\r"):
            end = None  # a LF may follow
        self._searched = max(0, self._undecided(None) - start) if end is None else 0
        return end

    def _undecided(self, end: re.Match[bytes] | None) -> int:
        """Return where the header ends at the earliest."""
        return len(self._buffer) - 3 if end is None else end.start()


def _body_size(header: bytes, end: bytes) -> int | None:
    """Return the size of the body, or None if readers may disagree on it.

    Two lengths could make a proxy and its peer disagree on the next message, and smuggle one in a
    body (RFC 4475 3.1.2.3, 3.3.9).
    """
    if end == _END_OF_LF and b"\r" not in header:
        header = header.replace(b"\n", b"\r\n")
    elif end != _END:
        return None
    found = [match.end() for match in _LENGTH.finditer(header)]
    match = _BYTES.match(header, found[0]) if len(found) == 1 else None
    return int(match[1]) if match else None


def _without_body(header: bytes, end: bytes, size: int | None) -> Iterator[bytes]:
    """Yield the header of a message whose body cannot be read, so that it is rejected.

    Raises ``Malformed`` afterwards if the body cannot be skipped either.
    """
    if size is None and not _LENGTH.search(header):
        if _VIA.search(header):  # the rest is no SIP, and not worth a response
            yield header.removesuffix(end)  # complete, it would be a valid datagram
        raise Malformed(_NO_LENGTH)
    yield header
    if size is None:
        is_mixed = end != _END and (end != _END_OF_LF or b"\r" in header)
        raise Malformed(_MIXED if is_mixed else _UNKNOWN_LENGTH)
    if size > MAX_SKIPPED_BYTES:
        raise Malformed(_BODY_TOO_LONG, 513)
