"""The source or destination of a message."""

from __future__ import annotations

from typing import NamedTuple


class Flow(NamedTuple):
    """The source or destination of a message.

    ``transport`` is "UDP" or "TCP".  ``interface`` is the index of the listener that the message
    arrives at or is sent from.  ``connection`` is the number of a TCP connection; 0 for UDP, or
    if any connection will do.
    """

    transport: str
    host: str
    port: int
    interface: int = 0
    connection: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport.lower()}:{host}:{self.port}"
