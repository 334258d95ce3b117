"""Kamailio as a proxy ahead of the program or behind it (``kamailio.cfg``)."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.interop.ports import free_port, is_bound
from tests.interop.processes import Child

KAMAILIO = shutil.which("kamailio") or shutil.which("kamailio", path="/usr/sbin:/usr/local/sbin")
MISSING = "Kamailio is not installed: install the Debian package kamailio"
_CONFIGURATION = Path(__file__).with_name("kamailio.cfg")


class Kamailio(Child):
    """Takes calls on ``port`` of 127.0.0.1 and sends them on to ``following``, a port too."""

    def __init__(
        self,
        directory: Path,
        following: int,
        *,
        port: int = 0,
        fork: int = 0,
        password: str = "",
        again: int = 0,
    ) -> None:
        """Start it; ``fork`` is the port of a second target, asked at the same time.

        After ``again`` milliseconds an INVITE that nobody answered is cancelled and comes again.
        """
        self.port = port or free_port()
        given = {"LISTEN": f"udp:127.0.0.1:{self.port}", "NEXT": _uri(following)}
        given |= {"FORK": _uri(fork)} if fork else {}
        given |= {"PASSWORD": f'"{password}"'} if password else {}
        given |= {"AGAIN": str(again)} if again else {}
        command = [KAMAILIO or "kamailio", "-DD", "-E", "-Y", str(directory)]
        command += ["-f", str(_CONFIGURATION)]
        for name, value in given.items():
            command += ["-A", f"{name}={value}"]
        super().__init__("Kamailio", command, directory / f"kamailio-{self.port}.log")

    def wait_ready(self) -> None:
        """Return once its port takes messages."""
        self.wait_until(lambda: is_bound(self.port, "udp"), "socket")


def _uri(port: int) -> str:
    return f'"sip:127.0.0.1:{port}"'
