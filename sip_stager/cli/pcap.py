"""A capture of the messages of a call, as Wireshark and sngrep read it.

The messages are those of the history, masked as they are there; IP and UDP are made up around them,
also for messages that came over TCP::

    file header | record header, IP, UDP, message | record header, IP, UDP, message | ...

Our own address is not in the history: it is read from the Via of a request that we sent.
"""

from __future__ import annotations

import os
import re
import struct
from datetime import datetime
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from ipaddress import IPv6Address
    from pathlib import Path

    Endpoint = tuple[IPv4Address | IPv6Address, int]

_FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
"""Version 2.4 with microseconds, and packets that begin with IP."""
_UDP = 17
_HOP_LIMIT = 64
_PEER = re.compile(r"[a-z]+:\[?([0-9a-f.:]+)\]?:([0-9]+)", re.IGNORECASE)
_VIA = re.compile(
    r"^(?:Via|v)\s*:\s*SIP/2.0/\w+\s+\[?([0-9a-f.:]+?)\]?(?::([0-9]+))?;",
    re.IGNORECASE | re.MULTILINE,
)
_LENGTH = re.compile(r"^((?:Content-Length|l)[ \t]*:)[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def write_pcap(path: Path, calls: Iterable[dict[str, Any]]) -> int:
    """Write the messages of calls to a file that only its owner reads; return their number.

    Raises ``OSError``.
    """
    packets = sorted(packet for call in calls for packet in _packets(call))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_FILE_HEADER)
        for moment, _, packet in packets:
            seconds, micros = divmod(moment, 1_000_000)
            file.write(struct.pack("<IIII", seconds, micros, len(packet), len(packet)) + packet)
    return len(packets)


def _packets(one: dict[str, Any]) -> Iterator[tuple[int, int, bytes]]:
    """Yield the time in microseconds, the position and the bytes of each packet of a call."""
    began = datetime.fromisoformat(one["call"]["started_at"]).timestamp()
    steps = [step for step in one["ladder"] if "message" in step and "peer" in step]
    local = _local_address(steps)
    for position, step in enumerate(steps):
        found = _PEER.fullmatch(str(step["peer"]))
        if found is None:
            continue
        peer: Endpoint = ip_address(found[1]), int(found[2])
        own: Endpoint = local or (ip_address("127.0.0.1"), 5060)
        if own[0].version != peer[0].version:
            own = ip_address("127.0.0.1" if peer[0].version == 4 else "::1"), own[1]
        ends = (own, peer) if step["from"] == "sip-stager" else (peer, own)
        moment = int((began + float(step["at"])) * 1_000_000)
        yield moment, position, _datagram(*ends, _payload(str(step["message"])))


def _local_address(steps: list[dict[str, Any]]) -> Endpoint | None:
    for step in steps:
        message = str(step["message"])
        sent_request = step["from"] == "sip-stager" and not message.startswith("SIP/2.0 ")
        if sent_request and (via := _VIA.search(message)):
            try:
                return ip_address(via[1]), int(via[2] or 5060)
            except ValueError:
                return None
    return None


def _payload(message: str) -> bytes:
    """Return a message as bytes, with the length of the body as it was masked."""
    message = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", message)
    head, separator, body = message.partition("\r\n\r\n")
    data = body.encode("utf-8", "backslashreplace")
    if separator:
        head = _LENGTH.sub(lambda found: f"{found[1]} {len(data)}", head)
    return (head + separator).encode("utf-8", "backslashreplace") + data


def _datagram(source: Endpoint, target: Endpoint, payload: bytes) -> bytes:
    size = 8 + len(payload)
    addresses = source[0].packed + target[0].packed
    ports = struct.pack(">HH", source[1], target[1])
    pseudo = addresses + struct.pack(">II", size, _UDP)
    unchecked = ports + struct.pack(">HH", size, 0) + payload
    checksum = _checksum(pseudo + unchecked) or 0xFFFF  # RFC 768: 0 is for none
    udp = ports + struct.pack(">HH", size, checksum) + payload
    if isinstance(source[0], IPv4Address):
        fields = (0x45, 0, 20 + size, 0, 0x4000, _HOP_LIMIT, _UDP)
        head = struct.pack(">BBHHHBB", *fields)
        return head + struct.pack(">H", _checksum(head + b"\0\0" + addresses)) + addresses + udp
    return struct.pack(">IHBB", 6 << 28, size, _UDP, _HOP_LIMIT) + addresses + udp


def _checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
