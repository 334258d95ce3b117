"""The programs that the tests run against, and the packages that bring them.

``python3 tools/peers.py`` installs the missing ones: as root, or with sudo where ``CI=true``, on a
system with apt-get.  promtool is unpacked into ``.cache/programs`` instead, which needs no rights:
its package would start a whole Prometheus.  Elsewhere it prints what to install; the tests that
need a missing program are skipped, and pytest lists them.  Where ``CI=true`` a missing program is
an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bootstrap import ROOT, SetupError, fetch_package, say

UNPACKED = ROOT / ".cache" / "programs"
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", str(UNPACKED)])
KAMAILIO_MODULES = {"tmx.so", "async.so", "http_client.so", "jansson.so"}


class Peer(NamedTuple):
    """A program that tests need, and the Debian packages that bring it."""

    program: str
    packages: tuple[str, ...]


KAMAILIO = Peer("kamailio", ("kamailio", "kamailio-utils-modules", "kamailio-extra-modules"))
PROMTOOL = Peer("promtool", ("prometheus", "promtool"))  # the latter since Debian 13
PEERS = (
    Peer("sipp", ("sip-tester",)),
    KAMAILIO,
    Peer("sipsak", ("sipsak",)),
    Peer("dumpcap", ("wireshark-common",)),
    Peer("tshark", ("tshark",)),
    Peer("systemd-analyze", ("systemd",)),
    PROMTOOL,
)


def is_missing(peer: Peer) -> bool:
    """Return True if the program is not on the path, or a module of Kamailio's is not installed."""
    incomplete = peer is KAMAILIO and bool(KAMAILIO_MODULES - kamailio_modules())
    return incomplete or not shutil.which(peer.program, path=PATH)


def kamailio_modules() -> set[str]:
    """Return the names of Kamailio's installed modules."""
    folders = ("lib*", "lib/*")  # the latter with Debian's name of the architecture
    found = (Path("/usr").glob(f"{folder}/kamailio/modules/*.so") for folder in folders)
    return {path.name for paths in found for path in paths}


def install(packages: list[str]) -> None:
    """Install Debian packages, as far as this user may."""
    sudo = ["sudo", "-n"] if os.environ.get("CI") == "true" and shutil.which("sudo") else []
    as_root = [] if os.geteuid() == 0 else sudo
    if not packages or not shutil.which("apt-get") or (os.geteuid() and not sudo):
        return
    say(f"Installing for the tests: {' '.join(packages)}")
    keep_from_starting(as_root)
    command = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    command += ["install", "-qy", "--no-install-recommends", *packages]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        # This machine has no package lists, or outdated ones.
        subprocess.run([*as_root, "apt-get", "update", "-q"], check=False, capture_output=True)
        tried = subprocess.run(command, check=False, capture_output=True, text=True)
        if tried.returncode:
            say(f"{tried.stdout}{tried.stderr}")


def keep_from_starting(as_root: list[str]) -> None:
    """Mask Kamailio's service: Debian starts a service that it installs, on the port of SIP."""
    installed = shutil.which("kamailio", path=PATH)  # and running, perhaps: leave it alone
    if not installed and Path("/run/systemd/system").is_dir():
        subprocess.run([*as_root, "systemctl", "--quiet", "mask", "kamailio"], check=False)


def unpack(peer: Peer) -> None:
    """Keep a program in the project's cache, from the first of its packages that holds it."""
    for package in peer.packages:
        with tempfile.TemporaryDirectory(prefix="sip-stager-") as directory:
            try:
                fetch_package(package, Path(directory))
            except SetupError as error:
                say(str(error))
                return
            program = Path(directory, "usr", "bin", peer.program)
            if program.exists():
                UNPACKED.mkdir(parents=True, exist_ok=True)
                shutil.copy(program, UNPACKED)
                return


def main() -> None:
    """Install the missing programs; print those that are still missing."""
    missing = [peer for peer in PEERS if is_missing(peer)]
    install([name for peer in missing if peer is not PROMTOOL for name in peer.packages])
    if PROMTOOL in missing:
        unpack(PROMTOOL)
    missing = [peer for peer in PEERS if is_missing(peer)]
    if missing:
        say("Some tests will be left out, for lack of " + ", ".join(p.program for p in missing))
        say("As root: apt-get install " + " ".join(name for p in missing for name in p.packages))
        sys.exit(os.environ.get("CI") == "true")


if __name__ == "__main__":
    main()
