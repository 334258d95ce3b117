"""TCP peers that are gone without a word, which only the kernel can find out."""

from __future__ import annotations

import socket

_SOCKET_OPTIONS = (
    ("SOL_SOCKET", "SO_KEEPALIVE", 1),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 8),  # seconds of silence before the kernel asks
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 4),  # seconds between its questions
    ("IPPROTO_TCP", "TCP_KEEPCNT", 2),
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 15_000),  # milliseconds without an acknowledgement
)


def find_dead_peers(connected: socket.socket) -> None:
    """Let the kernel find out within 20 s that a peer is gone and did not say so."""
    for level, option, value in _SOCKET_OPTIONS:
        if hasattr(socket, option):
            connected.setsockopt(getattr(socket, level), getattr(socket, option), value)
