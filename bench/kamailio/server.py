"""Kamailio with ``kamailio.cfg``: the same job in C on the same machine, for comparison."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.fake_api import KEY
from tests.interop.ports import free_port, is_bound
from tests.interop.processes import Child
from tests.interop.program import AGENT

if TYPE_CHECKING:
    from bench.load import Load

PACKAGES = "kamailio kamailio-utils-modules kamailio-extra-modules"
MISSING = f"Kamailio or a module of it is missing, as root: apt-get install {PACKAGES}"
_CONFIGURATION = Path(__file__).parent / "kamailio.cfg"
_MODULES = ("tmx.so", "async.so", "http_client.so", "jansson.so")
_SPARE_WORKERS = 4


def find() -> str | None:
    """Return the path of Kamailio, or None if it or one of the modules is not installed."""
    path = shutil.which("kamailio", path="/usr/sbin:/usr/local/sbin") or shutil.which("kamailio")
    installed = {
        module.name
        for folder in ("lib*", "lib/*")  # Debian has a folder per architecture
        for module in Path("/usr").glob(f"{folder}/kamailio/modules/*.so")
    }
    return path if installed.issuperset(_MODULES) else None


def version(kamailio: str) -> str:
    """Return "Kamailio x.y.z"."""
    shown = subprocess.run([kamailio, "-v"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"version: kamailio (\S+)", shown)
    return f"Kamailio {found[1]}" if found else "Kamailio"


def api_workers(load: Load, delay: float) -> int:
    """Return twice the number of requests that are open at once, plus some spare workers.

    ``delay`` is in ms.
    """
    return _SPARE_WORKERS + math.ceil(2 * load.rate * delay / 1000)


class Kamailio(Child):
    """One process for SIP, and ``workers`` that each wait for one answer of the API."""

    def __init__(
        self, kamailio: str, api_url: str, upstream_port: int, directory: Path, workers: int
    ) -> None:
        self.port = free_port()
        definitions = {
            "PORT": str(self.port),
            "API": f'"api=>{api_url}"',
            # http_connect has no parameter for header fields: the key follows the content type.
            "API_TYPE": rf'"application/json\r\nX-Api-Key: {KEY}"',
            "UPSTREAM": f'"sip:127.0.0.1:{upstream_port}"',
            "AGENT": f'"{AGENT}"',
            "API_WORKERS": str(workers),
        }
        command = [kamailio, "-DD", "-E", "-m", "256", "-Y", str(directory)]
        command += ["-f", str(_CONFIGURATION)]
        for name, value in definitions.items():
            command += ["-A", f"{name}={value}"]
        super().__init__("Kamailio", command, directory / "kamailio.log")

    def wait_ready(self) -> None:
        """Wait until its port is bound."""
        self.wait_until(lambda: is_bound(self.port, "udp"), "socket")
