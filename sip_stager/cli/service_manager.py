"""The states of the program, as systemd wants to be told of them (sd_notify(3)).

A few lines, sent as a datagram: no library is needed.  Outside a unit of ``Type=notify`` there is
no socket to send them to, and nothing happens.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ServiceManager:
    """Reports states to the service manager, if there is one."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        pid = environ.get("WATCHDOG_PID", str(os.getpid()))
        ours = self._address and pid == str(os.getpid())
        self._watchdog = int(environ.get("WATCHDOG_USEC", "0")) / 1e6 if ours else 0.0

    def ready(self, status: str) -> None:
        """Report that calls are taken, after the start or a reload."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Report that the settings are read again; ``ready`` reports the end of it."""
        # Of the clock that systemd compares with: CLOCK_MONOTONIC, in microseconds.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """Report that the program stops."""
        self._send("STOPPING=1", f"STATUS={status}")

    async def keep_alive(self) -> None:
        """Show the watchdog that the loop turns, twice in its time; never ends if it has one."""
        while self._watchdog:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog / 2)

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is in the abstract namespace, which is written as a zero.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        # A manager that is not listening is no reason to lose a call.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.sendto("\n".join(lines).encode(), address)
