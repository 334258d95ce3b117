"""Free ports and bound ports of this machine."""

from __future__ import annotations

import os
import socket
from itertools import count
from pathlib import Path

from tests.support.needed import has_ipv6

LISTENING = "0A"  # the state of a listening TCP socket in /proc/net/tcp
BELOW_EPHEMERAL = range(12000, 32000)  # ports that no outgoing connection gets
# Each worker of a run (pytest-xdist) has ports of its own: a port is bound some time after it was
# found to be free, and two workers must not choose the same.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_PORTS = BELOW_EPHEMERAL[_WORKER::_WORKERS]
_steps = count(os.getpid() * 16)  # simultaneous runs start at different ports


def free_port() -> int:
    """Return a loopback port that is free for UDP and TCP, IPv4 and, if available, IPv6.

    No port is returned twice before all others: a random choice would collide now and then.
    """
    addresses = ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",)
    while True:
        port = _PORTS[next(_steps) % len(_PORTS)]
        if all(_is_free(port, address) for address in addresses):
            return port


def _is_free(port: int, address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def is_bound(port: int, transport: str) -> bool:
    """Return whether a socket of any family is bound to a port; ``transport`` is "udp" or "tcp".

    This reads the kernel's table: a probe would be a message that the peer has to handle.
    """
    return any(
        local == port and (transport == "udp" or state == LISTENING)
        for table in (f"/proc/net/{transport}", f"/proc/net/{transport}6")
        for local, state in _sockets(Path(table))
    )


def _sockets(table: Path) -> list[tuple[int, str]]:
    rows = (line.split() for line in table.read_text().splitlines()[1:])
    return [(int(row[1].rsplit(":", 1)[1], 16), row[3]) for row in rows]
