"""The reload of a hundred thousand numbers under calls: ``python -m bench.reload``.

SIPp places calls through the program, which reads its settings again ``--reloads`` times, each
time with another agent for every number.  The table shows how long each reload took, and the worst
lag of the event loop meanwhile, by the program's own metric.  Exit code 1 if a lag exceeded its
limit, if a call failed, or if a reload did.

The metric shows the worst lag of a minute, so the program runs with a window that is shorter than
the time between two reloads.  Its priority is raised as by its systemd unit, where the user may.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from bench.load import CALLER, GRACE_PERIOD, LoadPeer
from bench.process import PRIORITY
from bench.start import resident
from tests.interop.fake_api import KEY, FakeApiProcess
from tests.interop.ports import free_port
from tests.interop.program import NUMBER
from tests.interop.sipp import MISSING, SIPP

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LAG = 0.05
"""Seconds that the event loop may be late while the settings are read again."""
_UNLIMITED = 1_000_000  # calls
_PAUSE = 2.0  # seconds between two reloads: longer than the window of the metric
_WINDOW = 15  # measurements, a tenth of a second each, that the metric looks back at
_SETTINGS = """
numbers_csv = "numbers.csv"
listeners = [{{ address = "127.0.0.1", port = {sip} }}]
api = {{ base_url = "http://127.0.0.1:{api}", agents_refresh_interval = 0 }}
upstream = {{ uri = "sip:127.0.0.1:{callee}" }}
http = {{ port = {http} }}
trunks = [{{ name = "sipp", networks = ["127.0.0.1"] }}]
log = {{ level = "info" }}
"""
_PROGRAM = (
    "import sip_stager.observability.loop_lag as lag; lag.MAX_RECENT = {window}\n"
    "from sip_stager.cli import app; app()"
)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """One reload: its seconds, the worst lag of the loop in seconds, and the memory in MiB."""

    seconds: float
    lag: float
    memory: float
    applied: bool


class Rows(NamedTuple):
    """How many rows the CSV of numbers has, and how many different agents."""

    numbers: int
    agents: int

    def lines(self, turn: int) -> Iterator[str]:
        """Yield the rows, each with another agent in each turn."""
        for row in range(self.numbers):
            number = NUMBER if row == 0 else f"+336{row:08}"
            agent = (row + turn) % self.agents + 1
            yield f"{number},{UUID(int=agent * 0x1234567890ABCDEF1234567890)}\n"


class ReloadedProgram:
    """The program under test, its settings and its log."""

    def __init__(
        self, folder: Path, rows: Rows, api_port: int, callee: int, stack: ExitStack
    ) -> None:
        self.port, self._http = free_port(), free_port()
        self._folder, self._rows, self._turn = folder, rows, 0
        settings = folder / "settings.toml"
        settings.write_text(
            _SETTINGS.format(sip=self.port, api=api_port, callee=callee, http=self._http)
        )
        self.write_numbers()
        self._log = folder / "program.log"
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the program inherits it ignored from nohup
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM.format(window=_WINDOW), "run", "-c", str(settings)],
                stdout=log,
                env={**os.environ, "ROUNDED_API_KEY": KEY},
            )
        if os.geteuid() == 0:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, PRIORITY)
        stack.callback(self._process.wait)
        stack.callback(self._process.terminate)
        while not self._lines("ready"):
            time.sleep(0.1)

    def write_numbers(self) -> None:
        """Write the numbers with other agents than before."""
        self._turn += 1
        text = "number,agent\n" + "".join(self._rows.lines(self._turn))
        whole = self._folder / "numbers.new"
        whole.write_text(text)
        whole.rename(self._folder / "numbers.csv")

    def reload(self) -> Reloaded:
        """Trigger a reload, and wait for the end of it."""
        self.write_numbers()
        time.sleep(_PAUSE)
        done = len(self._lines("settings_reloaded", "settings_rejected"))
        self._process.send_signal(signal.SIGHUP)
        worst, settled = 0.0, 0.0
        while settled <= 1.0:  # until the former rows are freed as well
            time.sleep(0.2)
            worst = max(worst, self.lag())
            lines = self._lines("settings_reloaded", "settings_rejected")
            settled += 0.2 if len(lines) > done else 0.0
        last = lines[-1]
        applied = last["event"] == "settings_reloaded"
        memory = resident(self._process.pid)
        return Reloaded(last.get("elapsed_seconds", 0.0), worst, memory, applied)

    def lag(self) -> float:
        """Return the worst lag of the last moments, in seconds."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._http}/metrics") as answer:
            text = answer.read().decode()
        found = re.search(r"^sip_stager_event_loop_lag_max_seconds (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def _lines(self, *events: str) -> list[dict[str, Any]]:
        names = tuple(f'"event": "{event}"' for event in events)
        text = self._log.read_text()
        return [json.loads(line) for line in text.splitlines() if any(n in line for n in names)]


class Callers:
    """SIPp, which places calls until it is told to stop."""

    def __init__(
        self, rate: int, directory: Path, target: int, seconds: float, stack: ExitStack
    ) -> None:
        port, self._control = free_port(), free_port()
        numbers = directory / "callers.csv"
        numbers.write_text(f"SEQUENTIAL,PRINTF=1000000\n{CALLER};\n")
        options = [f"127.0.0.1:{target}", "-s", NUMBER, "-d", "100", "-inf", str(numbers)]
        options += ["-r", str(rate), "-l", "100000", "-cp", str(self._control)]
        self._sipp = LoadPeer("load_caller", directory, port, _UNLIMITED, seconds, *options)
        stack.callback(self._sipp.stop)

    def finish(self) -> tuple[int, int, int]:
        """End it after the calls that are up; return the calls, failures and repeats."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"q", ("127.0.0.1", self._control))
        self._sipp.wait(GRACE_PERIOD)
        calls = self._sipp.count("OutgoingCall")
        return (
            calls,
            calls - self._sipp.count("SuccessfulCall"),
            self._sipp.count("Retransmissions"),
        )


def measure(rows: Rows, rate: int, reloads: int) -> tuple[float, list[Reloaded], tuple[int, ...]]:
    """Return the lag without a reload, that of each reload, and the counts of calls."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        directory = Path(temporary)
        api = FakeApiProcess(directory, delay=0.05)
        stack.callback(api.stop)
        api.wait_ready()
        seconds = 30.0 * reloads + 2 * GRACE_PERIOD
        callee_port = free_port()
        callee = LoadPeer("load_callee", directory, callee_port, _UNLIMITED, seconds)
        stack.callback(callee.stop)
        callee.wait_bound()
        program = ReloadedProgram(directory, rows, api.port, callee_port, stack)
        callers = Callers(rate, directory, program.port, seconds, stack)
        time.sleep(2 * _PAUSE)
        idle = program.lag()
        found = [program.reload() for _ in range(reloads)]
        return idle, found, callers.finish()


def main(
    rows: Annotated[int, typer.Option(help="Rows of the CSV of numbers")] = 100_000,
    agents: Annotated[int, typer.Option(help="Different agents of the rows")] = 50,
    rate: Annotated[int, typer.Option(help="Calls per second")] = 100,
    reloads: Annotated[int, typer.Option(help="Reloads")] = 10,
) -> None:
    """Measure; exit with 1 if a limit was exceeded or a call failed."""
    if SIPP is None:
        raise typer.BadParameter(MISSING)
    idle, found, (calls, failed, repeats) = measure(Rows(rows, agents), rate, reloads)
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table(title=f"Reloads of {rows:,} numbers at {rate} calls per second")
    for heading in ("reload", "applied", "seconds", "worst lag in ms", "memory in MiB"):
        table.add_column(heading, justify="right")
    for index, one in enumerate(found, 1):
        words = "yes" if one.applied else "NO"
        figures = f"{one.seconds:.2f}", f"{one.lag * 1000:.1f}", f"{one.memory:.0f}"
        table.add_row(str(index), words, *figures)
    console.print(table)
    worst = max(one.lag for one in found)
    console.print(
        f"lag without a reload: {idle * 1000:.1f} ms; worst of {reloads}: {worst * 1000:.1f} ms "
        f"(limit {MAX_LAG * 1000:g}); calls: {calls}, failed: {failed}, repeats: {repeats}"
    )
    if worst > MAX_LAG or failed or not all(one.applied for one in found):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
