from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.interop.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "sip_stager", "run", "--config"]


@pytest.fixture
def ports() -> tuple[int, int]:
    """Those of SIP and of HTTP."""
    return free_port(), free_port()


@pytest.fixture
def settings(tmp_path: Path, ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROUNDED_API_KEY", "x")
    file = tmp_path / "s.toml"
    file.write_text(f"""
        api = {{ base_url = "http://127.0.0.1:1" }}
        upstream = {{ uri = "sip:127.0.0.1:9" }}
        http = {{ port = {ports[1]} }}
        listeners = [{{ address = "127.0.0.1", port = {ports[0]} }}]
        trunks = [{{ name = "carrier", networks = ["127.0.0.1"] }}]
        numbers = [{{ number = "+33366725520", agent = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29" }}]
    """)
    return file


def test_a_log_that_can_not_be_written_shows_from_the_first_error_on(
    settings: Path, ports: tuple[int, int]
) -> None:
    failed: re.Match[str] | None = None
    with (
        open("/dev/full", "w") as full,  # noqa: PTH123 (a device, not a path of ours)
        subprocess.Popen([*COMMAND, str(settings)], stdout=full) as program,
    ):
        while not failed:
            assert program.poll() is None
            time.sleep(0.05)
            failed = re.search(r"log_write_errors_total ([1-9].*)", metrics(ports[1]))
        assert "sip_stager_log_lines_dropped_total 0.0" in metrics(ports[1])  # they still wait
        program.terminate()
        assert program.wait() == 0


def metrics(port: int) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics").text
    except httpx.TransportError:
        return ""


def test_all_ports_that_are_taken_are_told_each_on_a_line(
    settings: Path, ports: tuple[int, int]
) -> None:
    with socket.socket() as http, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip:
        http.bind(("127.0.0.1", ports[1]))
        http.listen()
        sip.bind(("127.0.0.1", ports[0]))
        ended = subprocess.run(
            [*COMMAND, str(settings)], capture_output=True, text=True, check=False
        )
    assert ended.returncode == 1
    one, two = ended.stderr.splitlines()
    assert one.startswith(f"sip-stager: [http]: can not listen on 127.0.0.1 port {ports[1]}: ")
    assert two.startswith(
        f"sip-stager: listeners[0] (udp): can not listen on 127.0.0.1 port {ports[0]}: "
    )
