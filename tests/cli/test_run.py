from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, TextIO, cast

import httpx
import pytest

from sip_stager.cli.application_runner import _end_unseen
from sip_stager.model.call import Call
from sip_stager.observability.call_records import CallRecord
from sip_stager.observability.event_log import EventLog
from sip_stager.observability.log_writer import LogWriter
from sip_stager.observability.logs import Logger
from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from tests.interop.ports import free_port
from tests.support.messages import request, response

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "sip_stager", "run", "--config"]


@pytest.fixture
def ports() -> tuple[int, int]:
    """The ports of SIP and of HTTP."""
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


OF_OTHER_COMMANDS = {
    *("aiohttp", "attr", "httpx", "markdown_it", "pygments", "rich", "yarl"),
    *(f"sip_stager.{name}" for name in ("demo", "cli.check", "cli.demo", "cli.route")),
}
"""Modules that `run` has no use for; together they would double the CPU of its start."""


def test_the_start_imports_nothing_of_other_commands(settings: Path) -> None:
    command = [sys.executable, "-X", "importtime", *COMMAND[1:], str(settings)]
    imported: set[str] = set()
    with (
        (settings.parent / "imports").open("w+") as times,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=times, text=True) as program,
    ):
        assert program.stdout
        assert any('"event": "ready"' in line for line in program.stdout)
        program.terminate()
        program.wait()
        times.seek(0)
        imported = {line.rpartition("|")[2].strip() for line in times}
    assert "sip_stager.app" in imported
    assert imported & OF_OTHER_COMMANDS == set()


def test_log_write_errors_are_counted_from_the_first_on(
    settings: Path, ports: tuple[int, int]
) -> None:
    failed: re.Match[str] | None = None
    with (
        open("/dev/full", "w") as full,  # noqa: PTH123 (a device, not a path of ours)
        subprocess.Popen([*COMMAND, str(settings)], stdout=full) as program,
    ):
        deadline = time.monotonic() + 60
        while not failed:
            assert program.poll() is None
            assert time.monotonic() < deadline, "the metric does not come"
            time.sleep(0.05)
            failed = re.search(r"log_write_errors_total ([1-9].*)", metrics(ports[1]))
        assert "sip_stager_log_lines_dropped_total 0.0" in metrics(ports[1])  # they still wait
        program.terminate()
        assert program.wait() == 0


def test_a_second_signal_ends_ringing_calls(settings: Path, ports: tuple[int, int]) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream,
    ):
        for peer in caller, upstream:
            peer.bind(("127.0.0.1", 0))
            peer.settimeout(60)
        written = settings.read_text().replace(
            "127.0.0.1:9", f"127.0.0.1:{upstream.getsockname()[1]}"
        )
        settings.write_text(
            f"""{written}
            policy = {{ api_unreachable = "forward" }}
            limits = {{ drain_timeout = 600.0 }}"""
        )
        with subprocess.Popen([*COMMAND, str(settings)], stdout=subprocess.PIPE) as program:
            assert program.stdout
            while b'"ready"' not in program.stdout.readline():
                assert program.poll() is None
            via = f"SIP/2.0/UDP 127.0.0.1:{caller.getsockname()[1]}"
            invite = request(uri="sip:+33366725520@edge", via=via)
            caller.sendto(bytes(invite), ("127.0.0.1", ports[0]))
            onward = parse(upstream.recv(65535))
            assert isinstance(onward, Request)
            upstream.sendto(bytes(response(onward, 180)), ("127.0.0.1", ports[0]))
            heard(caller, 180)
            program.terminate()
            while b'"stopping"' not in (line := program.stdout.readline()):
                assert program.poll() is None
            assert b'"calls": 1' in line
            program.terminate()
            heard(caller, 503)
            assert program.wait() == 0


HARMLESS = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT")


@pytest.mark.parametrize("ignored", [False, True])
def test_only_int_and_term_stop_the_program(settings: Path, *, ignored: bool) -> None:
    """An ignored signal stays ignored, as `nohup` wants it; the others are logged."""
    prefix = ["env", *(f"--ignore-signal={name[3:]}" for name in HARMLESS)] if ignored else []
    with subprocess.Popen([*prefix, *COMMAND, str(settings)], stdout=subprocess.PIPE) as program:
        assert program.stdout
        while b'"ready"' not in program.stdout.readline():
            assert program.poll() is None
        logged = []
        for name in HARMLESS:
            program.send_signal(getattr(signal, name))
            if not ignored:
                logged.append(json.loads(program.stdout.readline()))
        program.terminate()
        rest = program.stdout.read()
        assert program.wait() == 0
    events = ["settings_reloaded", *["signal_ignored"] * (len(HARMLESS) - 1)]
    assert [line["event"] for line in logged] == ([] if ignored else events)
    assert [line["signal"] for line in logged[1:]] == ([] if ignored else list(HARMLESS[1:]))
    assert re.findall(rb'"event": "(\w+)"', rest) == [b"stopping", b"stopped"]


@pytest.mark.parametrize("warm_connections", [0, 4])
def test_a_signal_ends_the_start(settings: Path, warm_connections: int) -> None:
    """Connections to the API are still being opened, or the platform's numbers being fetched."""
    with socket.create_server(("127.0.0.1", 0)) as api:  # which accepts, and never answers
        api.settimeout(60)
        url = f"http://127.0.0.1:{api.getsockname()[1]}"
        patient = "deadline = 60.0, numbers_refresh_interval = 60.0, "
        patient += f"warm_connections = {warm_connections}"
        written = settings.read_text().replace('"http://127.0.0.1:1"', f'"{url}", {patient}')
        settings.write_text(written)
        with subprocess.Popen(
            [*COMMAND, str(settings)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as program:
            with api.accept()[0]:
                program.terminate()
                log, errors = program.communicate(timeout=60)
            assert program.returncode == 0
    assert re.findall(r'"event": "(\w+)"', log) == ["stopping", "stopped"]
    assert errors == ""


def heard(caller: socket.socket, status: int) -> None:
    """Wait for a response with this status."""
    while not caller.recv(65535).startswith(b"SIP/2.0 %d " % status):
        pass


def metrics(port: int) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics").text
    except httpx.TransportError:
        return ""


def test_each_port_in_use_is_reported_on_a_line(settings: Path, ports: tuple[int, int]) -> None:
    with socket.socket() as http, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip:
        http.bind(("127.0.0.1", ports[1]))
        http.listen()
        sip.bind(("127.0.0.1", ports[0]))
        ended = subprocess.run(
            [*COMMAND, str(settings)], capture_output=True, text=True, check=False
        )
    assert ended.returncode == 1
    one, two = ended.stderr.splitlines()
    assert one.startswith(f"sip-stager: [http]: cannot listen on 127.0.0.1 port {ports[1]}: ")
    assert two.startswith(
        f"sip-stager: listeners[0] (udp): cannot listen on 127.0.0.1 port {ports[0]}: "
    )


def test_calls_that_are_up_at_the_stop_all_have_a_last_line(tmp_path: Path) -> None:
    """They are more than the log's buffer holds, so they are written at the pace of its reader."""
    log = tmp_path / "log"
    with log.open("w") as file:
        writer = LogWriter(file.fileno(), max_bytes=200_000)
        calls = EventLog(Logger(cast("TextIO", writer))).calls
        for n in range(1000):
            call = Call(f"call-{n}", "carrier", "+33612345678", "+33123456789", "agent", 4.0)
            calls.records.add(CallRecord(b"call-%d" % n, call, {"call_id": call.call_id}, 0.0))
        assert asyncio.run(_end_unseen(calls, writer)) == 0
        writer.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["call_id"] for line in lines] == [f"call-{n}" for n in range(1000)]
    assert {line["ended_by"] for line in lines} == {"unseen"}
    assert writer.dropped == 0


def test_a_call_of_a_running_program_is_traced(settings: Path, ports: tuple[int, int]) -> None:
    settings.write_text(settings.read_text() + "records = { calls = 10 }\n")
    url = f"http://127.0.0.1:{ports[1]}"
    with (
        subprocess.Popen([*COMMAND, str(settings)], stdout=subprocess.PIPE, text=True) as program,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller,
    ):
        assert program.stdout
        assert any('"event": "ready"' in line for line in program.stdout)
        caller.bind(("127.0.0.1", 0))
        caller.settimeout(10)
        via = f"SIP/2.0/UDP 127.0.0.1:{caller.getsockname()[1]}"
        invite = request(uri=f"sip:+33366725520@127.0.0.1:{ports[0]}", via=via)
        caller.sendto(bytes(invite), ("127.0.0.1", ports[0]))
        heard(caller, 480)
        traced = subprocess.run(
            [*COMMAND[:3], "trace", "--from", "+33912345678", "--node", url],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        served = metrics(ports[1])
        program.terminate()
        program.wait()
    lines = traced.splitlines()
    assert "because the API could not be reached" in lines[0]
    assert "INVITE +333******20" in lines[3]
    assert any("POST /v1/calls/stage" in line for line in lines)
    assert "480 " in traced
    assert 'sip_stager_history{unit="calls"} 1.0' in served
