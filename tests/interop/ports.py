"""Ports on this machine: which are free, and which have somebody behind them."""

from __future__ import annotations

import os
import socket
from itertools import count
from pathlib import Path

from tests.support.needed import has_ipv6

LISTENING = "0A"  # the state of a listening TCP socket in /proc/net/tcp
BELOW_EPHEMERAL = range(12000, 32000)  # where no outgoing connection takes one meanwhile
# Workers of one run (pytest-xdist) share out the ports, so that no two can ever meet on one: a
# port is free until it is bound, and that may be much later.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_PORTS = BELOW_EPHEMERAL[_WORKER::_WORKERS]
_steps = count(os.getpid() * 16)  # runs at the same time look elsewhere


def free_port() -> int:
    """Return a port that is free for UDP and TCP, IPv4 and IPv6 if there is any, on loopback.

    None is returned twice, before all have been: by chance one test in some thousand met itself.
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
    """Tell whether a socket of any family waits on this port (``transport``: "udp" or "tcp").

    The kernel's table is asked, since a probe would be a message that somebody has to answer.
    """
    return any(
        local == port and (transport == "udp" or state == LISTENING)
        for table in (f"/proc/net/{transport}", f"/proc/net/{transport}6")
        for local, state in _sockets(Path(table))
    )


def _sockets(table: Path) -> list[tuple[int, str]]:
    rows = (line.split() for line in table.read_text().splitlines()[1:])
    return [(int(row[1].rsplit(":", 1)[1], 16), row[3]) for row in rows]
