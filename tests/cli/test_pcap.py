"""A capture made of the history is one that tshark reads, with nothing unmasked."""

from __future__ import annotations

import shutil
import stat
import struct
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.cli.pcap import write_pcap

if TYPE_CHECKING:
    from pathlib import Path


def message(start: str, *lines: str, body: str = "") -> str:
    fields = (
        "Via: SIP/2.0/UDP 198.51.100.1:5062;branch=z9hG4bK-1",
        "From: <sip:+339******78@192.0.2.1>;tag=a",
        "To: <sip:+336******78@198.51.100.1>",
        "Call-ID: c1",
        "Content-Length: 9999",
        "CSeq: 1 INVITE",
        *lines,
    )
    return "\r\n".join((start, *fields)) + "\r\n\r\n" + body


def step(source: str, target: str, at: float, peer: str, text: str) -> dict[str, Any]:
    return {"from": source, "to": target, "at": at, "peer": peer, "message": text}


def one_call(peer: str = "udp:192.0.2.2:5060") -> dict[str, Any]:
    invite, caller = "INVITE sip:+336******78@192.0.2.2 SIP/2.0", "udp:192.0.2.1:5060"
    return {
        "call": {"started_at": "2026-12-01T10:42:03.100Z"},
        "ladder": [
            step("caller", "sip-stager", 0.0, caller, message(invite, "X: \x1b[2J", body="a***")),
            {"from": "sip-stager", "to": "api", "at": 0.1, "text": "POST /v1/calls/stage"},
            step("sip-stager", "agent", 0.25, peer, message(invite, "N: " + "n" * 8000)),
            step("agent", "sip-stager", 0.5, peer, message("SIP/2.0 486 Busy Here")),
        ],
    }


@pytest.mark.parametrize("peer", ["udp:192.0.2.2:5060", "tcp:[2001:db8::2]:5060"])
def test_tshark_reads_every_message(tmp_path: Path, peer: str) -> None:
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not installed")
    file = tmp_path / "call.pcap"
    assert write_pcap(file, [one_call(peer)]) == 3
    fields = "-e frame.time_epoch -e sip.Method -e sip.Status-Code -e sip.Call-ID -e sip.msg_body"
    checks = ("-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    command = [tshark, "-r", str(file), *checks, "-Y", "sip && !_ws.malformed", "-T", "fields"]
    output = subprocess.run(
        [*command, *fields.split(), "-e", "udp.checksum.status"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split("\t") for line in output.splitlines()]
    assert [row[1] or row[2] for row in rows] == ["INVITE", "INVITE", "486"]
    assert {row[3] for row in rows} == {"c1"}
    assert {row[5] for row in rows} == {"1"}
    began = datetime(2026, 12, 1, 10, 42, 3, 100_000, tzinfo=UTC).timestamp()
    assert [round(float(row[0]) - began, 3) for row in rows] == [0.0, 0.25, 0.5]


def test_a_capture_has_no_control_characters_and_right_lengths(tmp_path: Path) -> None:
    file = tmp_path / "call.pcap"
    write_pcap(file, [one_call()])
    data = file.read_bytes()
    assert b"\x1b" not in data
    assert b"\\x1b[2J" in data
    assert b"Content-Length: 4\r\nCSeq: 1 INVITE\r\n" in data
    assert struct.unpack("<I", data[:4]) == (0xA1B2C3D4,)


def test_only_its_owner_reads_a_capture(tmp_path: Path) -> None:
    file = tmp_path / "call.pcap"
    write_pcap(file, [one_call()])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_peer_that_is_no_address_is_left_out(tmp_path: Path) -> None:
    assert write_pcap(tmp_path / "x", [one_call("nonsense")]) == 1
