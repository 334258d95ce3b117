"""Keepalives on the TCP connections that we opened (RFC 5626 3.5.1, 4.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from sip_stager.transport.connections import Connections

KEEPALIVE_INTERVAL = 25.0
"""Seconds.  A NAT or a firewall on the way may forget a connection that is silent for a minute."""


class StreamKeepalives:
    """Sends a double line break on each of the connections at least every 25 s.

    One timer serves them all; it stops when none is left.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connections: Connections) -> None:
        self._loop = loop
        self._connections = connections
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin with the first connection; no effect while others are served."""
        if self._timer is None:
            self._timer = self._loop.call_later(KEEPALIVE_INTERVAL, self._send)

    def stop(self) -> None:
        """Send no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self) -> None:
        self._timer = None
        for connection in self._connections:
            connection.send_keepalive()
        if len(self._connections):
            self.start()
