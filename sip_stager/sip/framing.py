"""Messages cut from a stream (RFC 3261 7.5, 18.3; RFC 5626 5.4).

A stream is a sequence of these:

    *( CR LF )  start-line  headers  CR LF CR LF  body of Content-Length bytes
    '---------' '------------------------------'  '-------------------------'
     keepalives  its end is searched for once      not looked at

Nothing is looked at twice, for a peer may send a byte at a time or thousands of messages at once.
``_searched`` is how far the end of the header is known not to be, and ``_awaited`` how many bytes
the message needs to be whole: until they are there, ``feed`` only appends.  The bytes that were
taken are cut off once per call, behind its last message.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sip_stager.sip.fields import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_HEADER_BYTES = 65536
"""Bytes of a message before its body; signed headers and tokens make real ones tens of KiB."""
MAX_BODY_BYTES = 65536
"""Bytes of a body; what fits into a datagram fits here."""

PONG = b"\r\n"
"""The answer to a keepalive of a double CR LF (RFC 5626 5.4)."""

_LINE_BREAK = b"\r\n"
_NO_LINE_BREAK = re.compile(rb"[^\r\n]")
_UNKNOWN = "nobody knows where the body ends"
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*+:", re.IGNORECASE)
_BYTES = re.compile(rb"[ \t]*+(?:\r\n[ \t]++)?([0-9]{1,10}+)[ \t]*+\r\n")


class Framer:
    """Cuts one connection's bytes into messages.

    After ``Malformed`` was raised the rest of the stream has no meaning: close it.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._awaited = 0
        self._searched = 0
        self.pings = 0

    @property
    def mid_message(self) -> bool:
        """Whether a message has begun that is not whole; a line break begins none."""
        return self._buffer[:1] not in _LINE_BREAK

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what arrived and give the messages that are whole, one by one.

        ``pings`` counts the keepalives among them, which the caller answers and sets to zero.
        Raises ``Malformed`` for a message without Content-Length, or past the bounds, when those
        ahead of it were given; of one whose body is too long the header is given before, so that
        it can be answered: a body shorter than Content-Length is 400.
        """
        self._buffer += data
        if len(self._buffer) < self._awaited:
            return
        taken = self._awaited = 0
        try:
            while True:
                taken = self._after_line_breaks(taken)
                header = self._header_size(taken)
                if header is None:
                    return
                body = self._body_size(taken, taken + header)
                if body is None or body > MAX_BODY_BYTES:
                    yield self._buffer[taken : taken + header]
                    raise Malformed(_UNKNOWN if body is None else "the body is too long", 513)
                if taken + header + body > len(self._buffer):
                    self._awaited = header + body
                    return
                taken += header + body
                yield self._buffer[taken - header - body : taken]
        finally:
            self._buffer = self._buffer[taken:]

    def _after_line_breaks(self, start: int) -> int:
        """Give where the next message begins, and count the double line breaks ahead of it.

        A double CR LF may come in two segments, so what ends in the middle of one is kept.
        """
        message = _NO_LINE_BREAK.search(self._buffer, start)
        end = message.start() if message else len(self._buffer)
        *pings, rest = self._buffer[start:end].split(_END)  # a stranger may send thousands at once
        self.pings += len(pings)
        return end if message else end - min(3, len(rest))

    def _header_size(self, start: int) -> int | None:
        """Give the bytes up to the body of the message that begins there, None while unknown."""
        end = self._buffer.find(_END, max(start, self._searched))
        header = (len(self._buffer) - 3 if end < 0 else end) - start
        if header > MAX_HEADER_BYTES:
            raise Malformed("the header is too long", 513)
        self._searched = len(self._buffer) - 3 - start if end < 0 else 0
        return None if end < 0 else header + len(_END)

    def _body_size(self, start: int, end: int) -> int | None:
        """Give the bytes of the body, None for several lengths or one that is no number.

        RFC 4475 3.1.2.3, 3.3.9.
        """
        found = [match.end() for match in _LENGTH.finditer(self._buffer, start, end - 2)]
        if not found:
            raise Malformed("a message on a stream without Content-Length")
        match = _BYTES.match(self._buffer, found[0], end - 2)
        return int(match[1]) if match and len(found) == 1 else None
