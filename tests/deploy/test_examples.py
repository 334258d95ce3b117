"""The deployment examples fit the program: commands, files, ports and settings."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from sip_stager.cli import app
from sip_stager.config.loading.load import load
from sip_stager.demo.fake_platform.server import FakeApi
from sip_stager.transport.bind_errors import ADVICE
from tests.support.needed import need
from tests.support.sip_peer import answering_peer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Settings

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "deploy/sip-stager.service").read_text()
CONTAINERFILE = (ROOT / "deploy/Containerfile").read_text()
MANIFEST = (ROOT / "deploy/kubernetes/sip-stager.yaml").read_text()
EXAMPLE = ROOT / "sip_stager/example/sip_stager.example.toml"
KEY = {"ROUNDED_API_KEY": "demo-key"}
VERIFY = shutil.which("systemd-analyze")


def commands() -> list[list[str]]:
    """Return the words of the unit's ExecStartPre and ExecStart."""
    starts = re.findall(r"^ExecStart(?:Pre)?=(.*)$", UNIT, re.MULTILINE)
    return [shlex.split(start) for start in starts]


def instruction(name: str) -> list[str]:
    """Return the arguments of each instruction of that name, with continued lines joined."""
    lines = CONTAINERFILE.replace("\\\n", "").splitlines()
    return [line.removeprefix(name).strip() for line in lines if line.startswith(f"{name} ")]


def manifests_settings(folder: Path) -> Settings:
    """Load the settings of the manifest's ConfigMap, with its placeholders filled."""
    text = MANIFEST.partition("sip_stager.toml: |\n")[2].partition("\n---\n")[0]
    placeholders = {
        "PUBLIC-ADDRESS-OF-THE-NODE": "192.0.2.1",
        "UPSTREAM-HOST": "192.0.2.2",
        "CARRIER-NETWORK": "192.0.2.0/24",
        "AGENT-UUID": "411b82c8-462a-4e1b-89bc-10ab3ce1ed29",
        "/run/secrets/sip-stager/api-key": str(folder / "api-key"),
        "/run/secrets/sip-stager/seal-key": str(folder / "seal-key"),
    }
    for name, value in placeholders.items():
        assert name in text
        text = text.replace(name, value)
    (folder / "api-key").write_text("demo-key\n")
    (folder / "api-key").chmod(0o600)
    (folder / "seal-key").write_text(64 * "0")
    (folder / "seal-key").chmod(0o600)
    (folder / "sip_stager.toml").write_text(textwrap.dedent(text))
    return load(folder / "sip_stager.toml", {})


@pytest.fixture
def answering_upstream() -> Iterator[int]:
    """Answer OPTIONS on a port."""
    with answering_peer() as port:
        yield port


async def test_the_example_can_be_tried_without_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answering_upstream: int
) -> None:
    """With the fake API and the placeholder agents, as docs/operations.md describes it."""
    monkeypatch.setenv("ROUNDED_API_KEY", "demo-key")
    monkeypatch.setenv("SIP_STAGER_STOP_TIMEOUT", "40")
    upstream = f"sip:127.0.0.1:{answering_upstream}"
    text = EXAMPLE.read_text()
    async with FakeApi(key="demo-key") as api:
        for old, new in (
            (r"^\[api\]$", f'[api]\nbase_url = "{api.url}"'),
            (r"^uri = .*$", f'uri = "{upstream}"'),
            (r"^networks = .*$", 'networks = ["127.0.0.1"]'),
        ):
            text, changed = re.subn(old, new, text, flags=re.MULTILINE)
            assert changed == 1
        path = tmp_path / "sip_stager.toml"
        path.write_text(text)
        command = ["check", "--config", str(path), "--online"]
        result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert result.exit_code == 0, result.output
    assert {line.split(": ")[2].rpartition(".")[2] for line in result.stderr.splitlines()[::2]} == {
        "agent"
    }


def test_the_units_commands_are_those_of_the_program() -> None:
    assert [command[0] for command in commands()] == ["/opt/sip-stager/.venv/bin/sip-stager"]
    arguments = [command[1:] for command in commands()]
    settings = "/etc/sip-stager/sip_stager.toml"
    assert arguments == [["run", "--config", settings]]
    assert json.loads(instruction("ENTRYPOINT")[0]) == ["sip-stager"]
    assert json.loads(instruction("CMD")[0]) == arguments[0]


def test_the_instances_of_the_template_take_over_from_each_other() -> None:
    """They share a user and a folder, and one that was taken over stays ended."""
    template = (ROOT / "deploy/sip-stager@.service").read_text().splitlines()
    run = next(line for line in template if line.startswith("ExecStart="))
    assert run.endswith(" --takeover /run/sip-stager/takeover.sock")
    needed = {
        "User=sip-stager",
        "DynamicUser=yes",
        "RuntimeDirectory=sip-stager",
        "RuntimeDirectoryPreserve=yes",
        "Restart=on-failure",
        "StateDirectory=sip-stager",
    }
    assert needed <= set(template)
    differing = set(UNIT.splitlines()) - set(template)
    assert {line.partition("=")[0] for line in differing if not line.startswith("#")} == {
        *("Description", "ExecStart", "LoadCredential", "Restart")
    }


def test_the_unit_passes_the_key_at_the_documented_path() -> None:
    (name,) = re.findall(r"^LoadCredential=(\S+):", UNIT, re.MULTILINE)
    assert f'key_file = "/run/credentials/sip-stager.service/{name}"' in UNIT
    assert (
        f"/run/credentials/sip-stager.service/{name}" in (ROOT / "docs/operations.md").read_text()
    )


def test_the_unit_keeps_the_key_of_the_seal(tmp_path: Path) -> None:
    """Systemd passes the directory that it names in STATE_DIRECTORY (systemd.exec(5))."""
    assert "StateDirectory=sip-stager" in UNIT.splitlines()
    assert manifests_settings(tmp_path).has_seal_key


def test_only_keys_that_add_up_are_repeated_in_the_unit() -> None:
    """Of any other key systemd silently takes the last."""
    keys = re.findall(r"^([A-Za-z]+)=", UNIT, re.MULTILINE)
    twice = {key for key in keys if keys.count(key) > 1}
    assert twice == {"SystemCallFilter"}


def test_the_unit_writes_no_core_dump() -> None:
    """It would hold the API key, and the numbers of callers."""
    assert "LimitCORE=0" in UNIT.splitlines()


def unit_for_low_ports() -> str:
    """Return the unit with the three lines of its comment in the place of those with their keys."""
    lines = re.findall(r"^#   (\w+=.*)$", UNIT, re.MULTILINE)
    keys = tuple(line.partition("=")[0] + "=" for line in lines)
    kept = [line for line in UNIT.splitlines() if not line.startswith(keys)]
    return "\n".join([*kept, ""]).replace("[Service]", "\n".join(["[Service]", *lines]))


def test_the_unit_for_low_ports_has_the_capability_in_the_hosts_namespace() -> None:
    """In a user namespace of its own, CAP_NET_BIND_SERVICE opens no low port of the host."""
    changed = set(unit_for_low_ports().splitlines()) - set(UNIT.splitlines())
    assert changed == {
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "PrivateUsers=no",
    }
    assert "deploy/sip-stager.service" in ADVICE[errno.EACCES]


@pytest.mark.parametrize("text", [UNIT, unit_for_low_ports()])
def test_systemd_accepts_the_unit(tmp_path: Path, text: str) -> None:
    need(VERIFY, "systemd-analyze is not here (Debian: systemd)")
    program = tmp_path / "sip-stager"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "sip-stager.service"
    unit.write_text(
        text.replace(commands()[0][0], str(program)).replace("/opt/sip-stager/", f"{ROOT}/")
    )
    result = subprocess.run(
        [str(VERIFY), "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_image_copies_files_that_exist_and_are_in_its_context() -> None:
    copied = [words.split() for words in instruction("COPY") if "--from" not in words]
    sources = {source for words in copied for source in words[:-1]}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert all((ROOT / source).exists() for source in sources)


def test_the_image_exposes_and_checks_the_default_ports() -> None:
    settings = load(EXAMPLE, KEY)
    (exposed,) = instruction("EXPOSE")
    sip = {f"{one.port}/{one.transport}" for one in settings.listeners}
    assert set(exposed.split()) == sip | {f"{settings.http.port}/tcp"}
    assert f"http://127.0.0.1:{settings.http.port}/healthz" in CONTAINERFILE


def test_the_manifests_settings_load_and_have_its_ports(tmp_path: Path) -> None:
    settings = manifests_settings(tmp_path)
    ports = re.findall(r"containerPort: (\d+), protocol: (\w+)", MANIFEST)
    assert [(str(one.port), one.transport.upper()) for one in settings.listeners] == ports[:-1]
    assert ports[-1] == (str(settings.http.port), "TCP")
    # Prometheus and the kubelet come over the node's own network, where nothing else may.
    assert [warning.key for warning in settings.warnings] == ["http.address"]
