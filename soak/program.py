"""The program and the fake API as processes of their own, and what they say about themselves."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from soak.call_leg import SHORT, Timers
from soak.call_plan import API, NUMBERS
from tests.interop.fake_api import FakeApiProcess
from tests.interop.program import AGENT, Program, ProgramSettings

_PAGE = os.sysconf("SC_PAGE_SIZE")
_ERROR = re.compile(r'^[^{]|"level": ?"(error|critical)"')
_SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


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
    """Settings with short timers, and a number for each way of the API."""

    timers: Timers = SHORT

    def to_toml(self, port: int, http_port: int) -> str:
        """Return the settings file's text."""
        numbers = (
            f'[[numbers]]\nnumber = "{number}"\nagent = "{AGENT}"\n' for number in NUMBERS.values()
        )
        common = _SETTINGS.format(settings=self, timers=self.timers, port=port, http_port=http_port)
        return common + "".join(numbers)


class Api(FakeApiProcess):
    """The fake API, which goes by the number that was dialled."""

    def wait_ready(self) -> None:
        """Return once it takes requests, and has been told its ways."""
        super().wait_ready()
        ways = {NUMBERS[name]: answer.behaviour for name, answer in API.items()}
        request = urllib.request.Request(
            f"{self.url}/_fake/behaviours", json.dumps(ways).encode(), method="PUT"
        )
        urllib.request.urlopen(request, timeout=5).close()


class MonitoredProgram(Program):
    """The program; its memory, its files and its figures."""

    @property
    def resident(self) -> int:
        """Bytes of memory that it has now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE

    @property
    def open_files(self) -> int:
        """How many file descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208  nothing to be looked at

    def figures(self) -> dict[str, float]:
        """Return every series of ``/metrics``."""
        return {
            f"{name}{{{labels}}}" if labels else name: float(value)
            for name, labels, value in _SERIES.findall(self.metrics())
        }

    def errors(self) -> list[str]:
        """Return the lines of its log that tell of an error, and those that are none of a log."""
        with self.output.open(errors="backslashreplace") as log:
            return [line.rstrip() for line in log if _ERROR.search(line)]


GAUGES = ("sip_stager_transactions", "sip_stager_calls_staging", "sip_stager_tcp_connections")


def gauges(figures: dict[str, float]) -> dict[str, float]:
    """Return what must be zero when nothing goes on."""
    return {name: value for name, value in figures.items() if name.startswith(GAUGES)}
