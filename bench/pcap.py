"""A reader of capture files (the classic pcap format) with UDP over IPv4 in them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BYTE_ORDERS = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}  # by the magic number
_FILE_HEADER, _ETHERNET_HEADER, _UDP_HEADER = 24, 14, 8  # bytes


class Datagram(NamedTuple):
    """One UDP datagram; ``time`` is the kernel's time stamp in seconds, ``data`` may be cut."""

    time: float
    source: int
    destination: int
    data: bytes


def read_datagrams(path: Path) -> Iterator[Datagram]:
    """Yield a file's datagrams in order; raise ``ValueError`` when it is no pcap file."""
    capture = path.read_bytes()
    if capture[:4] not in _BYTE_ORDERS:
        raise ValueError(f"{path} is no pcap file with time stamps in microseconds")
    order = _BYTE_ORDERS[capture[:4]]
    record = struct.Struct(f"{order}IIII")
    offset = _FILE_HEADER
    while offset + record.size <= len(capture):
        seconds, microseconds, length, _ = record.unpack_from(capture, offset)
        offset += record.size
        frame = capture[offset : offset + length]
        offset += length
        if len(frame) < length:
            return  # the capture ended in the middle of a record
        yield _datagram(seconds + microseconds / 1e6, frame)


def _datagram(time: float, frame: bytes) -> Datagram:
    udp = _ETHERNET_HEADER + (frame[_ETHERNET_HEADER] & 0x0F) * 4
    source, destination = struct.unpack_from("!HH", frame, udp)
    return Datagram(time, source, destination, frame[udp + _UDP_HEADER :])
