"""A packet capture of some SIP messages, with the kernel's time stamps."""

from __future__ import annotations

import re
import shutil
import socket
from typing import TYPE_CHECKING

from tests.interop.processes import Child

if TYPE_CHECKING:
    from pathlib import Path

MISSING = "no capture tool: install the Debian package wireshark-common (dumpcap) or tcpdump"
_SNAP_LENGTH = 640  # bytes of each packet: enough for a Call-ID near the top of the message
_TAIL = 16384  # bytes at the end of the file that are searched for a marker


def message_filter(*statuses: int) -> str:
    """Return a filter for INVITEs and for responses with these status codes.

    The payload starts 8 bytes into UDP: a request starts with "INVI", and a response has its status
    code and a blank after "SIP/2.0 ".
    """
    codes = (int.from_bytes(b"%d " % status) for status in statuses)
    parts = ["udp[8:4] = 0x494e5649", *(f"udp[16:4] = {code:#x}" for code in codes)]
    return f"({' or '.join(parts)})"


class Capture(Child):
    """dumpcap or tcpdump on the loopback interface."""

    def __init__(
        self, ports: tuple[int, ...], directory: Path, name: str, statuses: tuple[int, ...] = (180,)
    ) -> None:
        """Start to record the INVITEs of UDP ports, and the responses with these codes.

        Markers are sent to the first port, so no other capture may include it.
        """
        self.path = directory / f"{name}.pcap"
        self._port = ports[0]
        port_filter = " or ".join(f"udp port {port}" for port in ports)
        command = _command(self.path, f"({port_filter}) and {message_filter(*statuses)}")
        super().__init__("capture", command, directory / f"{name}.capture.txt")

    def wait_ready(self) -> None:
        """Return once packets are recorded."""
        self._wait_for_marker(b"INVITE first")

    def finish(self) -> None:
        """Stop once everything sent so far is in the file; the tool writes with a delay."""
        self._wait_for_marker(b"INVITE last")
        self.stop()

    def _wait_for_marker(self, marker: bytes) -> None:
        """Send datagrams that pass the filter until one of them is in the file."""

        def captured() -> bool:
            sender.sendto(marker, ("127.0.0.1", self._port))
            return marker in _tail(self.path)

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            self.wait_until(captured, "packets (capturing on lo usually takes root)")

    def dropped(self) -> int:
        """Return how many packets the kernel dropped; call it once stopped."""
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
        options = ["-i", "lo", "-P", "-B", "32", "-s", str(_SNAP_LENGTH), "-w", str(path)]
        return [dumpcap, *options, "-f", pcap_filter]
    if tcpdump := shutil.which("tcpdump"):
        options = ["-i", "lo", "-U", "-B", "32768", "-s", str(_SNAP_LENGTH), "-w", str(path)]
        return [tcpdump, *options, pcap_filter]
    raise FileNotFoundError(MISSING)
