"""A capture of the messages that mark a call's times, with the kernel's time stamps."""

from __future__ import annotations

import re
import shutil
import socket
from typing import TYPE_CHECKING

from tests.interop.processes import Child

if TYPE_CHECKING:
    from pathlib import Path

MISSING = "no capture tool: install the Debian package wireshark-common (dumpcap) or tcpdump"
_SNAP = 640  # bytes of each packet: enough for a Call-ID that stands early
_TAIL = 16384  # bytes of the file in which a mark is looked for
# In words of four bytes after the UDP header: a request that begins with "INVI", or a response
# whose code, after "SIP/2.0 ", is "180 ".
_MARKS = "(udp[8:4] = 0x494e5649 or udp[16:4] = 0x31383020)"


class Capture(Child):
    """dumpcap or tcpdump on the loopback interface, until ``stop()``."""

    def __init__(self, ports: tuple[int, ...], directory: Path, name: str) -> None:
        """Start to record the INVITEs and 180s of these UDP ports; the first is its own alone."""
        self.path = directory / f"{name}.pcap"
        self._port = ports[0]
        where = " or ".join(f"udp port {port}" for port in ports)
        command = _command(self.path, f"({where}) and {_MARKS}")
        super().__init__("capture", command, directory / f"{name}.capture.txt")

    def wait_ready(self) -> None:
        """Return once packets are recorded."""
        self._wait_mark(b"INVITE first")

    def finish(self) -> None:
        """Stop it once everything sent so far is in the file: it writes a while behind."""
        self._wait_mark(b"INVITE last")
        self.stop()

    def _wait_mark(self, mark: bytes) -> None:
        def seen() -> bool:
            marker.sendto(mark, ("127.0.0.1", self._port))
            return mark in _tail(self.path)

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as marker:
            self.wait_until(seen, "packets (may this user capture on lo? root may)")

    def dropped(self) -> int:
        """Return how many packets the kernel could not keep, once stopped."""
        found = re.search(r"received/dropped on .*?: \d+/(\d+)", self.printed()) or re.search(
            r"(\d+) packets dropped by kernel", self.printed()
        )
        return int(found[1]) if found else 0


def _tail(path: Path) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read()


def _command(path: Path, pcap_filter: str) -> list[str]:
    if dumpcap := shutil.which("dumpcap"):
        options = ["-i", "lo", "-P", "-B", "32", "-s", str(_SNAP), "-w", str(path)]
        return [dumpcap, *options, "-f", pcap_filter]
    if tcpdump := shutil.which("tcpdump"):
        options = ["-i", "lo", "-U", "-B", "32768", "-s", str(_SNAP), "-w", str(path)]
        return [tcpdump, *options, pcap_filter]
    raise FileNotFoundError(MISSING)
