"""The run command while its settings change, and at a start with a mistake in them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sip_stager.assembly import settings_watch
from sip_stager.assembly.key_file_watch import file_stamp
from sip_stager.cli.service_manager import ServiceManager
from sip_stager.config import load
from sip_stager.config.loading import last_good
from tests.interop.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "sip_stager", "run", "--config"]
AGENT = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"


class Unit:
    """A program with a state directory, as in its systemd unit."""

    def __init__(self, folder: Path) -> None:
        self.file, self.csv = folder / "s.toml", folder / "numbers.csv"
        self.state = folder / "state"
        self.state.mkdir()
        self.http = free_port()
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(60)
        self.environ = {
            **os.environ,
            "ROUNDED_API_KEY": "x",
            "STATE_DIRECTORY": str(self.state),
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "60000000",
        }
        self.write("[]")

    def write(self, more: str = "", level: str = "info") -> None:
        self.csv.write_text(f"number,agent\n+33366725520,{AGENT}\n")
        self.file.write_text(f"""
            numbers_csv = "numbers.csv"
            api = {{ base_url = "http://127.0.0.1:1" }}
            upstream = {{ uri = "sip:127.0.0.1:9" }}
            http = {{ port = {self.http} }}
            listeners = [{{ address = "127.0.0.1", port = {free_port()} }}]
            trunks = [{{ name = "carrier", networks = ["127.0.0.1"] }}]
            log = {{ level = "{level}" }}
            reload = {{ on_change = true }}
            {"" if more == "[]" else more}
        """)

    @contextmanager
    def running(self) -> Iterator[Program]:
        with subprocess.Popen(
            [*COMMAND, str(self.file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.environ,
        ) as process:
            program = Program(process)
            program.line("ready")
            yield program
            process.terminate()
            assert process.wait() == 0

    def told(self, *names: str) -> dict[str, str]:
        """Return the next datagram to the service manager that has all of these names."""
        while True:
            lines = self.notify.recv(4096).decode().splitlines()
            found = dict(line.split("=", 1) for line in lines)
            if found.keys() >= set(names):
                return found

    def fetched(self, path: str) -> str:
        return httpx.get(f"http://127.0.0.1:{self.http}{path}").text


class Program:
    """A running program and its log."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def line(self, event: str) -> dict[str, Any]:
        """Return the next line of an event."""
        assert self.process.stdout
        for line in self.process.stdout:
            found: dict[str, Any] = json.loads(line)
            if found["event"] == event:
                return found
        raise AssertionError(event)

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path)
    yield unit
    unit.notify.close()


def test_a_signal_reloads_and_the_service_manager_is_told(unit: Unit) -> None:
    with unit.running() as program:
        assert unit.told("READY")["STATUS"] == "ready; 1 trunks, 1 numbers"
        assert unit.told("WATCHDOG") == {"WATCHDOG": "1"}
        unit.csv.write_text(unit.csv.read_text() + f"+33366725521,{AGENT}\n")
        program.reload()
        assert int(unit.told("RELOADING")["MONOTONIC_USEC"]) > 0
        assert unit.told("READY")["STATUS"] == "ready; 1 trunks, 2 numbers"
        assert program.line("settings_reloaded")["numbers"] == 2
        unit.write("contry = 'FR'")
        program.reload()
        rejected = program.line("settings_rejected")
        assert rejected["level"] == "error"
        assert f"{unit.file}:" in rejected["problems"][0]
        assert "the last reload failed" in unit.told("READY")["STATUS"]
    assert "STATUS" in unit.told("STOPPING")


def test_a_change_of_the_csv_reloads_if_the_settings_say_so(unit: Unit) -> None:
    with unit.running() as program:
        unit.csv.write_text(unit.csv.read_text() + f"+33366725521,{AGENT}\n")
        assert program.line("settings_reloaded")["numbers"] == 2


def test_the_log_level_changes_with_a_reload(unit: Unit) -> None:
    with unit.running() as program:
        unit.write(level="debug")
        program.reload()
        program.line("settings_reloaded")
        unit.write(level="error")
        program.reload()
        unit.told("RELOADING")
        unit.told("RELOADING")
        unit.told("READY")
        program.process.terminate()
        assert program.process.stdout
        assert b"stopping" not in program.process.stdout.read()


def test_a_start_with_a_mistake_takes_the_last_good_settings(unit: Unit) -> None:
    with unit.running():
        unit.told("READY")
    copy = unit.state / "last_good" / "settings.toml"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    for more in ("contry = 'FR'", ""):
        unit.write(more)
        if not more:
            unit.csv.unlink()
        with unit.running() as program:
            fallback = program.line("settings_fallback")
            assert fallback["level"] == "error"
            assert str(unit.file) in fallback["text"]
            assert fallback["problems"]
            assert unit.fetched("/readyz").startswith("ready\nsettings: ")
            assert "\nsip_stager_settings_fallback 1.0\n" in unit.fetched("/metrics")
            assert "the last good settings are in force" in unit.told("READY")["STATUS"]
    unit.write()
    with unit.running():
        assert unit.fetched("/readyz") == "ready\n"
        assert "\nsip_stager_settings_fallback 0.0\n" in unit.fetched("/metrics")


def test_a_start_with_a_mistake_and_nothing_good_fails(unit: Unit) -> None:
    unit.write("contry = 'FR'")
    done = subprocess.run([*COMMAND, str(unit.file)], env=unit.environ, check=False, timeout=60)
    assert done.returncode == 2


def test_a_file_that_changed_while_it_was_read_is_not_copied(unit: Unit) -> None:
    settings = load(unit.file, {"ROUNDED_API_KEY": "x"})
    last_good.save(unit.file, settings, unit.environ, read_at=unit.file.stat().st_mtime_ns)
    assert not (unit.state / "last_good").exists()
    assert last_good.load_last_good(unit.file, unit.environ) is None


def test_the_copy_of_other_settings_is_not_used(unit: Unit, tmp_path: Path) -> None:
    settings = load(unit.file, {"ROUNDED_API_KEY": "x"})
    last_good.save(unit.file, settings, unit.environ, read_at=2**63)
    assert last_good.load_last_good(unit.file, unit.environ) is not None
    assert last_good.load_last_good(tmp_path / "other.toml", unit.environ) is None


def test_a_crash_in_the_midst_of_a_copy_leaves_the_one_before(unit: Unit) -> None:
    settings = load(unit.file, {"ROUNDED_API_KEY": "x"})
    last_good.save(unit.file, settings, unit.environ, read_at=2**63)
    folder = unit.state / "last_good"
    shutil.move(folder, unit.state / "last_good.old")
    assert last_good.load_last_good(unit.file, unit.environ) is not None
    last_good.save(unit.file, settings, unit.environ, read_at=2**63)
    assert sorted(each.name for each in unit.state.iterdir()) == ["last_good"]


def test_without_a_service_manager_nothing_is_sent() -> None:
    ServiceManager({}).ready("ready")
    ServiceManager({"NOTIFY_SOCKET": "/nowhere/notify"}).reloading()
    ServiceManager({"NOTIFY_SOCKET": "@nowhere"}).stopping("stopping")


async def test_a_change_counts_once_the_file_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_watch, "LOOK_INTERVAL", 0.01)
    file = tmp_path / "s.toml"
    file.write_text("a")
    found = settings_watch.changes(lambda: (file,))
    looked = 0

    def look(path: Path) -> object:
        nonlocal looked
        looked += 1
        if looked < 5:
            file.write_text("a" * looked)
        if looked == 5:
            file.unlink()
        if looked == 7:
            file.write_text("done")
        return file_stamp(path)

    monkeypatch.setattr(settings_watch, "file_stamp", look)
    await anext(found)
    assert looked == 8


def test_check_names_the_keys_that_need_a_restart(unit: Unit, tmp_path: Path) -> None:
    settings = load(unit.file, {"ROUNDED_API_KEY": "x"})
    last_good.save(unit.file, settings, unit.environ, read_at=2**63)
    running = unit.state / "last_good" / "settings.toml"
    command = [sys.executable, "-m", "sip_stager", "check", "--config", str(unit.file)]
    command += ["--without-key", "--against", str(running)]

    def checked() -> str:
        done = subprocess.run(command, env=unit.environ, check=True, capture_output=True)
        return done.stdout.decode()

    assert f"compared with {running}: a reload is enough\n" in checked()
    unit.write("sip = { t1 = 0.6 }", level="debug")
    unit.file.write_text(unit.file.read_text().replace(str(unit.http), str(free_port())))
    keys = "[sip] t1, [http] port"
    assert f"compared with {running}: these keys need a restart: {keys}\n" in checked()


def test_a_mistake_in_the_log_shows_no_number(unit: Unit) -> None:
    with unit.running() as program:
        unit.csv.write_text(unit.csv.read_text() + f"+33366725520,{AGENT}\n")
        problem = program.line("settings_rejected")["problems"][0]
    assert "is mapped twice" in problem
    assert "+33366725520" not in problem
