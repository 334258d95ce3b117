"""The program and the fake API as processes, and the metrics and errors of the program."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from soak.call_leg import SHORT, Timers
from soak.call_plan import API_ANSWERS, NUMBERS
from tests.interop.fake_api import FakeApiProcess
from tests.interop.program import AGENT, Program, ProgramSettings

_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
_ERROR = re.compile(r'^[^{]|"level": ?"(error|critical)"')
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


_SETTINGS = """\
[[listeners]]
transport = "udp"
address = "127.0.0.1"
port = {port}
[[listeners]]
transport = "tcp"
address = "127.0.0.1"
port = {port}
[api]
base_url = "{settings.api_url}"
mode = "{settings.mode}"
deadline = {settings.deadline}
[upstream]
uri = "sip:127.0.0.1:{settings.upstream_port};transport={settings.upstream_transport}"
[[trunks]]
name = "soak"
networks = ["127.0.0.1"]
[strangers]
answers_per_second = 1000.0
[sip]
t1 = {timers.t1}
t2 = {timers.t2}
t4 = {timers.t4}
[http]
port = {http_port}
[log]
level = "{settings.log_level}"
"""


@dataclass(frozen=True, slots=True)
class SoakSettings(ProgramSettings):
    """Settings with short timers, and a number for each answer of the API."""

    timers: Timers = SHORT

    def to_toml(self, port: int, http_port: int) -> str:
        """Return the settings file's text."""
        numbers = (
            f'[[numbers]]\nnumber = "{number}"\nagent = "{AGENT}"\n' for number in NUMBERS.values()
        )
        common = _SETTINGS.format(settings=self, timers=self.timers, port=port, http_port=http_port)
        return common + "".join(numbers)


class SoakApi(FakeApiProcess):
    """The fake API, with a behaviour for each called number."""

    def wait_ready(self) -> None:
        """Wait until the API is ready, and set its behaviours."""
        super().wait_ready()
        behaviours = {NUMBERS[name]: answer.behaviour for name, answer in API_ANSWERS.items()}
        request = urllib.request.Request(
            f"{self.url}/_fake/behaviours", json.dumps(behaviours).encode(), method="PUT"
        )
        urllib.request.urlopen(request, timeout=5).close()


class MonitoredProgram(Program):
    """The program, with its memory, open files, metrics and errors."""

    @property
    def resident(self) -> int:
        """The resident memory in bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_SIZE

    @property
    def open_files(self) -> int:
        """The number of open file descriptors."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208  only the number matters

    def samples(self) -> dict[str, float]:
        """Return every sample of ``/metrics`` by its name and labels."""
        return {
            f"{name}{{{labels}}}" if labels else name: float(value)
            for name, labels, value in _SAMPLE.findall(self.metrics())
        }

    def error_lines(self) -> list[str]:
        """Return the log lines of level error or above, and lines that are not JSON."""
        with self.output.open(errors="backslashreplace") as log:
            return [line.rstrip() for line in log if _ERROR.search(line)]


GAUGES = (
    "sip_stager_transactions",
    "sip_stager_calls_staging",
    "sip_stager_staging_polls_delayed",
    "sip_stager_tcp_connections",
)


def gauges(samples: dict[str, float]) -> dict[str, float]:
    """Return the gauges that must be zero while the program is idle."""
    return {name: value for name, value in samples.items() if name.startswith(GAUGES)}
