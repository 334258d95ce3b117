"""A reader of UDP datagrams over IPv4 from capture files in the classic pcap format."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The byte order and the ticks of a second, by the magic number.
_FORMATS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e6),
    b"\xa1\xb2\xc3\xd4": (">", 1e6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e9),  # dumpcap of Wireshark 4.4 and newer
    b"\xa1\xb2\x3c\x4d": (">", 1e9),
}
_FILE_HEADER, _ETHERNET_HEADER, _UDP_HEADER = 24, 14, 8  # bytes


class Datagram(NamedTuple):
    """One UDP datagram; ``time`` is the kernel's time stamp in seconds; ``data`` may be cut off."""

    time: float
    source: int
    destination: int
    data: bytes


def read_datagrams(path: Path) -> Iterator[Datagram]:
    """Yield the datagrams of a file in order; raise ``ValueError`` if it is not a pcap file."""
    capture = path.read_bytes()
    if capture[:4] not in _FORMATS:
        raise ValueError(f"{path} is not a pcap file")
    order, ticks = _FORMATS[capture[:4]]
    record = struct.Struct(f"{order}IIII")
    offset = _FILE_HEADER
    while offset + record.size <= len(capture):
        seconds, fraction, length, _ = record.unpack_from(capture, offset)
        offset += record.size
        frame = capture[offset : offset + length]
        offset += length
        if len(frame) < length:
            return  # the capture tool was stopped while it wrote this record
        yield _datagram(seconds + fraction / ticks, frame)


def _datagram(time: float, frame: bytes) -> Datagram:
    udp = _ETHERNET_HEADER + (frame[_ETHERNET_HEADER] & 0x0F) * 4
    source, destination = struct.unpack_from("!HH", frame, udp)
    return Datagram(time, source, destination, frame[udp + _UDP_HEADER :])
