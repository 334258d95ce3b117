"""A minimal reader and writer of SIP, independent of the program under test."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TAG = re.compile(rb";tag=([^;,\s]+)")
_BRANCH = re.compile(rb";branch=([^;,\s]+)")
_URI = re.compile(rb"<([^>]+)>")
_LENGTH = re.compile(rb"\r\ncontent-length\s*:\s*(\d+)", re.IGNORECASE)

REASONS = {100: b"Trying", 180: b"Ringing", 183: b"Session Progress", 200: b"OK"}


class Message:
    """A request (``method``) or a response (``status``)."""

    __slots__ = ("body", "fields", "method", "status")

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        start, *lines = head.split(b"\r\n")
        self.status = int(start[8:11]) if start.startswith(b"SIP/2.0 ") else 0
        self.method = b"" if self.status else start.partition(b" ")[0]
        self.fields: dict[bytes, list[bytes]] = {}
        for line in lines:
            name, _, value = line.partition(b":")
            self.fields.setdefault(name.lower(), []).append(value.strip())

    def value(self, name: bytes) -> bytes:
        """Return the first value of a field; empty if it is absent."""
        return self.fields.get(name, [b""])[0]

    @property
    def call_id(self) -> bytes:
        """The Call-ID."""
        return self.value(b"call-id")

    @property
    def number(self) -> int:
        """The number in the CSeq."""
        return int(self.value(b"cseq").split()[0])

    @property
    def cseq_method(self) -> bytes:
        """The method in the CSeq."""
        return self.value(b"cseq").split()[-1]

    @property
    def branch(self) -> bytes:
        """The branch of the topmost Via."""
        return _found(_BRANCH, self.value(b"via"))

    @property
    def to_tag(self) -> bytes:
        """The tag in To; empty if there is none."""
        return _found(_TAG, self.value(b"to"))

    @property
    def from_tag(self) -> bytes:
        """The tag in From; empty if there is none."""
        return _found(_TAG, self.value(b"from"))

    @property
    def contact(self) -> bytes:
        """The URI in the Contact: the remote target of the dialog."""
        return _found(_URI, self.value(b"contact"))

    @property
    def record_routes(self) -> list[bytes]:
        """The Record-Route entries in order."""
        return [
            entry.strip()
            for line in self.fields.get(b"record-route", [])
            for entry in line.split(b",")
        ]


def _found(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    found = pattern.search(text)
    return found[1] if found else b""


def format_message(start: bytes, fields: Iterable[tuple[bytes, bytes]], body: bytes = b"") -> bytes:
    """Return the bytes of a message."""
    lines = [b"%b: %b" % field for field in fields]
    lines.append(b"Content-Length: %d\r\n" % len(body))
    return b"\r\n".join([start, *lines, body])


def format_response(
    request: Message, status: int, tag: bytes = b"", extra: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    """Return the bytes of a response; ``tag`` is added to a To that has none."""
    to = request.value(b"to")
    fields = [(b"Via", via) for via in request.fields.get(b"via", [])]
    fields += [(b"Record-Route", entry) for entry in request.record_routes]
    fields += [
        (b"From", request.value(b"from")),
        (b"To", to if not tag or b";tag=" in to else b"%b;tag=%b" % (to, tag)),
        (b"Call-ID", request.call_id),
        (b"CSeq", request.value(b"cseq")),
        *extra,
    ]
    return format_message(b"SIP/2.0 %d %b" % (status, REASONS.get(status, b"Reason")), fields)


def split_stream(buffer: bytearray) -> Iterable[bytes]:
    """Remove complete messages from the buffer and yield them; skip CRLF keepalives."""
    while True:
        while buffer[:2] == b"\r\n":
            del buffer[:2]
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        found = _LENGTH.search(buffer, 0, end)
        length = end + 4 + (int(found[1]) if found else 0)
        if len(buffer) < length:
            return
        yield bytes(buffer[:length])
        del buffer[:length]
