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
    """Forwards calls from ``port`` of 127.0.0.1 to the port ``following``."""

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
        """Start Kamailio; ``fork`` is the port of a second target of every call.

        After ``again`` milliseconds an unanswered INVITE is cancelled and sent again.
        """
        self.port = port or free_port()
        definitions = {"LISTEN": f"udp:127.0.0.1:{self.port}", "NEXT": _uri(following)}
        definitions |= {"FORK": _uri(fork)} if fork else {}
        definitions |= {"PASSWORD": f'"{password}"'} if password else {}
        definitions |= {"AGAIN": str(again)} if again else {}
        command = [KAMAILIO or "kamailio", "-DD", "-E", "-Y", str(directory)]
        command += ["-f", str(_CONFIGURATION)]
        for name, value in definitions.items():
            command += ["-A", f"{name}={value}"]
        super().__init__("Kamailio", command, directory / f"kamailio-{self.port}.log")

    def wait_ready(self) -> None:
        """Wait until its port is bound."""
        self.wait_until(lambda: is_bound(self.port, "udp"), "socket")


def _uri(port: int) -> str:
    return f'"sip:127.0.0.1:{port}"'
