"""The address that a message came from or goes to."""

from __future__ import annotations

from typing import NamedTuple


class Flow(NamedTuple):
    """Where a message came from, or where it is to go.

    ``transport`` is the RFC's word in capitals ("UDP", "TCP").  ``interface`` is the index of the
    listener of ours that it came to or leaves from.  ``connection`` numbers the TCP connection
    that it came over, 0 when there is none or any will do.
    """

    transport: str
    host: str
    port: int
    interface: int = 0
    connection: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport.lower()}:{host}:{self.port}"
