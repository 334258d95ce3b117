"""The program, started as a user starts it: a settings file and ``sip-stager run``."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from tests.interop.fake_api import KEY
from tests.interop.ports import free_port
from tests.interop.processes import Child

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "+33612345678"
AGENT = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """The settings of one program under test; times are in seconds."""

    api_url: str
    upstream_port: int
    address: str = "127.0.0.1"
    upstream_address: str = ""  # empty: the same as ``address``
    upstream_transport: str = "udp"  # empty: the program chooses
    agent: str = AGENT
    mode: str = "sync"
    deadline: float = 4.0
    t1: float = 0.5
    log_level: str = "debug"
    api: dict[str, object] = field(default_factory=dict)
    policy: dict[str, object] = field(default_factory=dict)
    upstream: dict[str, object] = field(default_factory=dict)
    limits: dict[str, object] = field(default_factory=lambda: {"drain_timeout": 0})
    tables: Sequence[tuple[str, dict[str, object]]] = ()  # further tables: header and keys
    constants: dict[str, float] = field(default_factory=dict)
    """Constants of the program by dotted name, for tests that cannot wait for their values."""

    def to_toml(self, port: int, http_port: int) -> str:
        """Return the text of the settings file: UDP and TCP on one port, a trunk, a number."""
        upstream = _host(self.upstream_address or self.address)
        transport = f";transport={self.upstream_transport}" if self.upstream_transport else ""
        upstream = f"sip:{upstream}:{self.upstream_port}{transport}"
        return "\n".join(
            [
                *self._listeners(port),
                _table(
                    "[api]",
                    base_url=self.api_url,
                    mode=self.mode,
                    deadline=self.deadline,
                    **self.api,
                ),
                _table("[upstream]", uri=upstream, **self.upstream),
                _table("[[trunks]]", name="sipp", networks=["127.0.0.1/32", "::1/128"]),
                _table("[[numbers]]", number=NUMBER, agent=self.agent),
                _table("[policy]", **self.policy),
                _table("[sip]", t1=self.t1),
                _table("[limits]", **self.limits),
                _table("[http]", port=http_port),
                _table("[log]", level=self.log_level),
                *(_table(header, **keys) for header, keys in self.tables),
            ]
        )

    def _listeners(self, port: int) -> list[str]:
        return [
            _table("[[listeners]]", transport=transport, address=address, port=port)
            for address in sorted({self.address, self.upstream_address or self.address})
            for transport in ("udp", "tcp")
        ]


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _table(header: str, **keys: object) -> str:
    return "\n".join([header, *(f"{key} = {_value(value)}" for key, value in keys.items()), ""])


def _value(value: object) -> str:
    """Return a value in TOML, which is JSON except for objects."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_value(each)}' for key, each in value.items())} }}"
    return json.dumps(value)


class Program(Child):
    """``sip-stager run --config FILE`` on free ports."""

    def __init__(
        self,
        settings: ProgramSettings,
        directory: Path,
        *,
        port: int = 0,
        python: str = sys.executable,
        takeover: Path | None = None,
    ) -> None:
        """Start the program on ``port``, so that it can replace one that has ended.

        With ``takeover`` it can replace one that runs.
        """
        self.port = port or free_port()
        self.http_port = free_port()
        self.target = f"{_host(settings.address)}:{self.port}"
        self.settings = file = directory / f"settings-{self.http_port}.toml"
        file.write_text(settings.to_toml(self.port, self.http_port))
        command = [python, *_module(settings.constants), "run", "--config", str(file)]
        command += ["--takeover", str(takeover)] if takeover else []
        output = directory / f"program-{self.http_port}.log"
        super().__init__("sip-stager", command, output, {"ROUNDED_API_KEY": KEY})

    def wait_ready(self) -> None:
        """Wait until ``/readyz`` returns 200."""
        self.wait_until(self._is_ready, "200 from /readyz")

    def metrics(self) -> str:
        """Return the text of ``/metrics``."""
        return self._get("/metrics")

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of ``sip_stager_<name>`` that have these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.metrics())
            for sample in family.samples
            if sample.name == f"sip_stager_{name}" and sample.labels.items() >= labels.items()
        )

    def wait_metric(self, minimum: float, name: str, **labels: str) -> None:
        """Wait until a metric has reached a value."""
        self.wait_until(lambda: self.metric(name, **labels) >= minimum, f"{minimum:g} of {name}")

    def logged(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """Return the log lines so far of this event with these fields."""
        wanted = {"event": event, **fields}.items()
        return [line for line in self._lines() if line.items() >= wanted]

    def errors(self) -> list[dict[str, Any]]:
        """Return the log lines of internal errors."""
        return [line for line in self._lines() if line.get("level") == "error"]

    def wait_logged(self, event: str, **fields: object) -> dict[str, Any]:
        """Wait for a log line of this event with these fields, and return it."""
        self.wait_until(lambda: self.logged(event, **fields) != [], f"{event} with {fields}")
        return self.logged(event, **fields)[0]

    def _lines(self) -> list[dict[str, Any]]:
        return [_line(text) for text in self.printed().splitlines()]

    def _is_ready(self) -> bool:
        try:
            self._get("/readyz")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=5) as reply:
            text: bytes = reply.read()
        return text.decode()


def _module(constants: dict[str, float]) -> list[str]:
    """Return the interpreter's arguments that run the program, with some constants changed."""
    if not constants:
        return ["-m", "sip_stager"]
    # Reading a constant first makes the program end if there is no constant of that name.
    statements = [
        f"import {name.rpartition('.')[0]}; {name}; {name} = {constants[name]}"
        for name in constants
    ]
    return ["-c", "; ".join([*statements, "from sip_stager.__main__ import main; main()"])]


def _line(text: str) -> dict[str, Any]:
    """Return the fields of a log line; none for other output."""
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}
