"""The reader of capture files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from bench.pcap import Datagram, read_datagrams

if TYPE_CHECKING:
    from pathlib import Path


def frame(source: int, destination: int, data: bytes, options: bytes = b"") -> bytes:
    """Return an Ethernet frame with an IPv4 header that may carry options."""
    ip = bytes([0x45 + len(options) // 4]) + bytes(19) + options
    return bytes(14) + ip + struct.pack("!HHHH", source, destination, 8 + len(data), 0) + data


def pcap(order: str, *frames: tuple[int, int, bytes], magic: int = 0xA1B2C3D4) -> bytes:
    """Return a capture of frames, each with its seconds and microseconds."""
    header = struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 65535, 1)
    records = (struct.pack(f"{order}IIII", *at, len(data), 999) + data for *at, data in frames)
    return header + b"".join(records)


@pytest.mark.parametrize("order", ["<", ">"])
def test_datagrams_have_time_ports_and_data(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(
        pcap(order, (5, 250_000, frame(1, 2, b"one")), (6, 0, frame(3, 4, b"two", bytes(8))))
    )
    assert list(read_datagrams(path)) == [Datagram(5.25, 1, 2, b"one"), Datagram(6, 3, 4, b"two")]


@pytest.mark.parametrize("order", ["<", ">"])
def test_time_stamps_may_be_in_nanoseconds(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(order, (5, 250_000_000, frame(1, 2, b"one")), magic=0xA1B23C4D))
    assert list(read_datagrams(path)) == [Datagram(5.25, 1, 2, b"one")]


def test_a_truncated_record_at_the_end_of_the_file_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    whole = pcap("<", (1, 0, frame(1, 2, b"one")), (2, 0, frame(1, 2, b"two")))
    path.write_bytes(whole[:-1])
    assert [each.data for each in read_datagrams(path)] == [b"one"]


def test_another_file_format_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(b"\x0a\x0d\x0d\x0a" + bytes(24))
    with pytest.raises(ValueError, match="not a pcap file"):
        list(read_datagrams(path))
