"""Messages cut from a stream (RFC 3261 7.5, 18.3; RFC 5626 3.5.1)."""

from __future__ import annotations

import re

from sip_stager.sip.fields import Malformed

MOST_HEADER = 65536
"""Bytes of a message before its body; signed headers and tokens make real ones tens of KiB."""
MOST_BODY = 65536
"""Bytes of a body; what fits into a datagram fits here."""

PONG = b"\r\n"
"""The answer to a keepalive of a double CR LF (RFC 5626 3.5.1)."""

_LENGTH = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,10})[ \t]*\r\n", re.IGNORECASE
)


class Framer:
    """Cuts one connection's bytes into messages.

    After ``Malformed`` was raised the rest of the stream has no meaning: close it.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self.pings = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived and give the messages that are whole.

        ``pings`` counts the keepalives among them, which the caller answers and sets to zero.
        Raises ``Malformed`` for a message without Content-Length, or past the bounds.
        """
        self._buffer += data
        messages = []
        while message := self._cut():
            messages.append(message)
        return messages

    def _cut(self) -> bytes | None:
        self._skip_line_breaks()
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MOST_HEADER:
                raise Malformed("the header is too long", 513)
            return None
        if end > MOST_HEADER:
            raise Malformed("the header is too long", 513)
        total = end + 4 + self._body_length(end)
        if len(self._buffer) < total:
            return None
        message, self._buffer = self._buffer[:total], self._buffer[total:]
        return message

    def _skip_line_breaks(self) -> None:
        """Drop the line breaks between messages, and count the double ones.

        A double CR LF may come in two segments, so what ends in the middle of one is kept.
        """
        rest = self._buffer.lstrip(b"\r\n")
        skipped = self._buffer[: len(self._buffer) - len(rest)]
        if skipped:
            pings = skipped.count(b"\r\n\r\n")
            self.pings += pings
            self._buffer = rest or skipped[4 * pings :]

    def _body_length(self, end: int) -> int:
        match = _LENGTH.search(self._buffer, 0, end + 2)
        if match is None:
            raise Malformed("a message on a stream without Content-Length")
        length = int(match[1])
        if length > MOST_BODY:
            raise Malformed("the body is too long", 513)
        return length
