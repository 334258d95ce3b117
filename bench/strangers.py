"""Strangers that disturb a program: ``bench.fairness`` starts them as processes of their own.

Their address is in no trunk's networks: ``STRANGER`` for datagrams, and others for connections.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.messages import request

if TYPE_CHECKING:
    from collections.abc import Iterator

STRANGER = "127.0.3.1"
BURST = 3000  # INVITEs in one burst
BURST_INTERVAL = 1.0  # seconds between two bursts
CONNECTIONS = 60


@contextmanager
def strangers(kind: str, port: int) -> Iterator[None]:
    """Run strangers against a port of 127.0.0.1: ``bursts`` or ``connections``."""
    command = [sys.executable, "-m", "bench.strangers", kind, str(port)]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.terminate()


def send_bursts(port: int) -> None:
    """Send a burst of INVITEs in each interval, for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.bind((STRANGER, 0))
        via = f"SIP/2.0/UDP {STRANGER}:{sending.getsockname()[1]}"
        for number in range(1_000_000):
            invite = bytes(request(via=via, branch=f"z9hG4bK-{number}"))
            for _ in range(BURST):
                sending.sendto(invite, ("127.0.0.1", port))
            time.sleep(BURST_INTERVAL)


def hold_connections(port: int) -> None:
    """Open connections from as many addresses, again and again, and send nothing."""
    held: list[socket.socket] = []
    while True:
        for host in range(1, CONNECTIONS + 1):
            source = f"127.0.3.{host}", 0
            held.append(socket.create_connection(("127.0.0.1", port), source_address=source))
        time.sleep(BURST_INTERVAL)
        for each in held[:-CONNECTIONS]:
            each.close()
        del held[:-CONNECTIONS]


if __name__ == "__main__":
    {"bursts": send_bursts, "connections": hold_connections}[sys.argv[1]](int(sys.argv[2]))
