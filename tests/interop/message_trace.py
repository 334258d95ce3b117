"""A reader of SIPp's trace of sent and received messages (``-trace_msg``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ENTRY = re.compile(
    rb"-{40,} [^\n]*\n(?:UDP|TCP) message (sent|received)[ \[(]*(\d+)[\]) ]*bytes\)? ?:\n\n"
)


@dataclass(frozen=True, slots=True)
class TracedMessage:
    """One message, byte for byte as it was on the wire."""

    sent: bool
    data: bytes

    @property
    def start_line(self) -> str:
        """The request line or the status line."""
        return self.data.partition(b"\r\n")[0].decode()

    @property
    def method(self) -> str:
        """The method of a request, or the status code of a response."""
        first, second = self.start_line.split(" ")[:2]
        return second if first == "SIP/2.0" else first

    @property
    def head(self) -> list[bytes]:
        """The header lines in order, each with its folds and without its last CRLF."""
        lines = self.data.partition(b"\r\n\r\n")[0].partition(b"\r\n")[2]
        return re.split(rb"\r\n(?![ \t])", lines)

    @property
    def body(self) -> bytes:
        """The part after the empty line."""
        return self.data.partition(b"\r\n\r\n")[2]

    def values(self, *names: str) -> list[str]:
        """Return the unfolded values of the fields with one of these names, in any case."""
        wanted = {name.lower() for name in names}
        pairs = (line.decode(errors="replace").partition(":") for line in self.head)
        return [
            re.sub(r"\r\n[ \t]+", " ", value).strip()
            for name, _, value in pairs
            if name.strip().lower() in wanted
        ]


def read_trace(path: Path) -> list[TracedMessage]:
    """Return the messages of a trace file in order; none if the file does not exist yet."""
    text = path.read_bytes() if path.exists() else b""
    return [
        TracedMessage(entry[1] == b"sent", text[entry.end() : entry.end() + int(entry[2])])
        for entry in _ENTRY.finditer(text)
    ]
