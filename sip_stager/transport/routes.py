"""The kernel's routes: the address of this machine that a packet to a host would have."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_AGE = 10.0
"""Seconds after which the kernel is asked again: an interface may have come or gone."""
MAX_HOSTS = 4096
"""Hosts whose route is remembered; the one asked first is forgotten."""
_DISCARD = 9  # a port to connect to; nothing is sent


class KernelRoutes:
    """``ports.Routes`` of this machine."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}

    def source_for(self, host: str) -> str:
        """Return our address for packets to an IP address; empty if there is no route."""
        known, now = self._known.get(host), self._clock()
        if known is not None and now < known[1]:
            return known[0]
        self._known.pop(host, None)
        if len(self._known) >= MAX_HOSTS:
            del self._known[next(iter(self._known))]
        found = _ask_kernel(host)
        self._known[host] = found, now + MAX_AGE
        return found


def _ask_kernel(host: str) -> str:
    """Connect a datagram socket, which sends nothing and never blocks; it then has an address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((host, _DISCARD))
            source: str = asking.getsockname()[0]
            return source
    except OSError:
        return ""
