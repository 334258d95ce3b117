"""The framing of messages on a stream (RFC 3261 7.5, 18.3; RFC 5626 5.4).

A stream is a sequence of these:

    *( CR LF )  start-line  headers  CR LF CR LF  body of Content-Length bytes
    '---------' '------------------------------'  '-------------------------'
     keepalives  its end is searched for once      not searched

No byte is searched twice, since a peer may send one byte at a time or thousands of messages at
once.  ``_searched`` is how far the end of the header is known not to be.  ``_awaited`` is how many
bytes the message needs to be complete: until then, ``feed`` only appends.  Yielded messages are
cut off the buffer once per call, after the last one.
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

PONG = b"\r\n"
"""The response to a ping, which is a double CR LF (RFC 5626 5.4)."""

_LINE_BREAK = b"\r\n"
_NO_LINE_BREAK = re.compile(rb"[^\r\n]")
_UNKNOWN = "Content-Length is not one valid number"
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*+:", re.IGNORECASE)
_BYTES = re.compile(rb"[ \t]*+(?:\r\n[ \t]++)?([0-9]{1,10}+)[ \t]*+\r\n")


class Framer:
    """A splitter of one connection's bytes into messages.

    After it raises ``Malformed``, message boundaries are lost and the connection must be closed.
    ``pings`` counts keepalives; its user answers them and resets it.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._awaited = 0
        self._searched = 0
        self.pings = 0

    @property
    def mid_message(self) -> bool:
        """True if a message has begun and is incomplete; line breaks do not begin one."""
        return self._buffer[:1] not in _LINE_BREAK

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add received bytes and yield each complete message.

        Raises ``Malformed``, after the messages before it, for a message that has no valid
        Content-Length or exceeds a limit.  Where only the body cannot be read, its header is
        yielded first: a response goes out (400, the body is incomplete) before the close.
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
        """Return the start of the next message, and count the pings ahead of it.

        A ping may be split across segments, so the last half of one stays in the buffer.
        """
        message = _NO_LINE_BREAK.search(self._buffer, start)
        end = message.start() if message else len(self._buffer)
        *pings, rest = self._buffer[start:end].split(_END)  # at once: there may be thousands
        self.pings += len(pings)
        return end if message else end - min(3, len(rest))

    def _header_size(self, start: int) -> int | None:
        """Return the size up to the body, or None while the header is incomplete."""
        end = self._buffer.find(_END, max(start, self._searched))
        header = (len(self._buffer) - 3 if end < 0 else end) - start
        if header > MAX_HEADER_BYTES:
            raise Malformed("the header is too long", 513)
        self._searched = len(self._buffer) - 3 - start if end < 0 else 0
        return None if end < 0 else header + len(_END)

    def _body_size(self, start: int, end: int) -> int | None:
        """Return the size of the body, or None for several lengths or one that is not a number.

        Two lengths could make a proxy and its peer disagree on the next message, and smuggle one
        in a body (RFC 4475 3.1.2.3, 3.3.9).
        """
        found = [match.end() for match in _LENGTH.finditer(self._buffer, start, end - 2)]
        if not found:
            raise Malformed("a message on a stream has no Content-Length")
        match = _BYTES.match(self._buffer, found[0], end - 2)
        return int(match[1]) if match and len(found) == 1 else None
