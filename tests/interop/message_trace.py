"""What SIPp wrote down about the messages that it sent and received (``-trace_msg``)."""

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
class Traced:
    """One message, byte for byte as it was on the wire."""

    sent: bool
    data: bytes

    @property
    def start_line(self) -> str:
        """The request line or the status line."""
        return self.data.partition(b"\r\n")[0].decode()

    @property
    def method(self) -> str:
        """The method of a request; of a response its status code."""
        first, second = self.start_line.split(" ")[:2]
        return second if first == "SIP/2.0" else first

    @property
    def head(self) -> list[bytes]:
        """The header lines in their order, each with its folds and without its last CRLF."""
        lines = self.data.partition(b"\r\n\r\n")[0].partition(b"\r\n")[2]
        return re.split(rb"\r\n(?![ \t])", lines)

    @property
    def body(self) -> bytes:
        """What follows the empty line."""
        return self.data.partition(b"\r\n\r\n")[2]

    def values(self, *names: str) -> list[str]:
        """Return the values of the headers with one of these names, in any case, unfolded."""
        wanted = {name.lower() for name in names}
        pairs = (line.decode(errors="replace").partition(":") for line in self.head)
        return [
            re.sub(r"\r\n[ \t]+", " ", value).strip()
            for name, _, value in pairs
            if name.strip().lower() in wanted
        ]


def read_trace(path: Path) -> list[Traced]:
    """Return the messages of a trace file in their order; none when there is no file yet."""
    text = path.read_bytes() if path.exists() else b""
    return [
        Traced(entry[1] == b"sent", text[entry.end() : entry.end() + int(entry[2])])
        for entry in _ENTRY.finditer(text)
    ]
