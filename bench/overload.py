"""Goodput and latency in overload: ``python -m bench.overload``.

SIPp places calls at a rate that rises to ``--peak`` times the capacity and falls again, or that
stays there.  The capacity is what one process can do on this machine (``python -m bench`` shows
it).  A table and an SVG show, second by second, how many calls were offered, answered and refused,
and how long callers waited for the ringing.

A call counts for the second of its INVITE.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench.capture import Capture
from bench.chart import write_charts
from bench.load import CALLER, GRACE_PERIOD, LoadPeer
from bench.overload_report import Attempt, attempts, charts, period, table
from bench.pcap import read_datagrams
from bench.process import PRIORITY, cpu_seconds, raise_priority
from tests.interop.fake_api import FakeApiProcess
from tests.interop.ports import free_port
from tests.interop.program import NUMBER, Program, ProgramSettings

if TYPE_CHECKING:
    from collections.abc import Callable

RAMP_STEP = 0.5  # seconds between two changes of the rate
START_SHARE = 0.5  # of the capacity: the rate at both ends of a ramp
WARM_UP = 3.0  # seconds at the start of a steady load that do not count
_UNLIMITED = 1_000_000  # calls; SIPp runs until it is stopped
_STATUSES = (180, 200, 503)


def ramp(capacity: float, peak: float, seconds: float) -> Callable[[float], float]:
    """Return a rate that rises to ``peak`` times the capacity, and falls again."""

    def rate(now: float) -> float:
        share = 1 - abs(2 * now / seconds - 1)
        return capacity * (START_SHARE + (peak - START_SHARE) * share)

    return rate


class _Caller:
    """SIPp with a rate that can be changed (``-cp``)."""

    def __init__(
        self, directory: Path, proxy_port: int, rate: float, timeout: float, children: ExitStack
    ) -> None:
        port, self._control = free_port(), free_port()
        self._capture = Capture((port,), directory, f"calls-{port}", _STATUSES)
        children.callback(self._capture.stop)
        self._capture.wait_ready()
        numbers = directory / f"callers-{port}.csv"
        numbers.write_text(f"SEQUENTIAL,PRINTF=1000000\n{CALLER};\n")
        options = [f"127.0.0.1:{proxy_port}", "-s", NUMBER, "-d", "100", "-inf", str(numbers)]
        options += ["-r", f"{rate:.0f}", "-l", "100000", "-cp", str(self._control)]
        self._sipp = LoadPeer("overload_caller", directory, port, _UNLIMITED, timeout, *options)
        children.callback(self._sipp.stop)
        self._sipp.wait_bound()

    @property
    def pid(self) -> int:
        """The id of SIPp's process."""
        return self._sipp.pid

    def set_rate(self, rate: float) -> None:
        """Place so many calls per second from now on."""
        self._tell(b"cset rate %d" % round(rate))

    def finish(self) -> Path:
        """Place no more calls, wait for those that are left, and return the capture."""
        self._tell(b"q")  # the calls that are up go on to their end
        self._sipp.wait(GRACE_PERIOD)
        self._capture.finish()
        return self._capture.path

    def late(self) -> str:
        """Return SIPp's own counters of failures and repeats."""
        return (
            f"{self._sipp.count('FailedCall')} failed, "
            f"{self._sipp.count('Retransmissions')} repeats"
        )

    def _tell(self, command: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(command, ("127.0.0.1", self._control))


def run(
    rate: Callable[[float], float],
    seconds: float,
    delay: float,
    limits: dict[str, float],
    python: str,
) -> tuple[list[Attempt], str]:
    """Run a load through a new program; return its calls, and SIPp's and the program's words."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as children:
        directory = Path(temporary)
        api = FakeApiProcess(directory, delay=delay / 1000)
        children.callback(api.stop)
        api.wait_ready()
        callee_port = free_port()
        callee = LoadPeer("load_callee", directory, callee_port, _UNLIMITED, seconds + GRACE_PERIOD)
        children.callback(callee.stop)
        callee.wait_bound()
        settings = ProgramSettings(api.url, callee_port, log_level="info", limits=dict(limits))
        program = Program(settings, directory, python=python)
        children.callback(program.stop)
        program.wait_ready()
        timeout = seconds + GRACE_PERIOD
        caller = _Caller(directory, program.port, rate(0), timeout, children)
        for peer in (api, callee, caller):  # in production they have machines of their own
            raise_priority(peer.pid, PRIORITY)
        raise_priority(program.pid, 2 * PRIORITY)
        started, spent = time.monotonic(), cpu_seconds(program.pid)
        while (now := time.monotonic() - started) < seconds:
            caller.set_rate(rate(now))
            time.sleep(RAMP_STEP)
        spent = cpu_seconds(program.pid) - spent
        capture = caller.finish()
        calls = attempts(read_datagrams(capture), program.port)
        words = f"SIPp: {caller.late()}; CPU of the program: {spent / seconds:.0%}"
        return calls, f"{words}; " + "; ".join(_changes(program))


def _changes(program: Program) -> list[str]:
    events = [
        line for event in ("overload_began", "overload_ended") for line in program.logged(event)
    ]
    return [
        f"{line['event']} at {line['timestamp'][11:19]}"
        for line in sorted(events, key=lambda line: str(line["timestamp"]))
    ]


def main(
    capacity: Annotated[float, typer.Option(help="Calls per second that one process can do")] = 800,
    peak: Annotated[float, typer.Option(help="The highest rate, as a multiple of it")] = 2.0,
    profile: Annotated[str, typer.Option(help="ramp or steady")] = "ramp",
    seconds: Annotated[float, typer.Option(help="Length of the load in seconds")] = 60,
    delay: Annotated[float, typer.Option(help="Delay of the API in ms")] = 0,
    threshold: Annotated[float, typer.Option(help="[limits] overload_delay; 0: off")] = 0.1,
    python: Annotated[str, typer.Option(help="The Python interpreter")] = sys.executable,
    svg: Annotated[Path | None, typer.Option(help="File for the charts")] = None,
) -> None:
    """Overload one process, and show what its callers get."""
    rate = ramp(capacity, peak, seconds) if profile == "ramp" else lambda _: peak * capacity
    limits = {"drain_timeout": 0, "overload_delay": threshold}
    calls, words = run(rate, seconds, delay, limits, python)
    console = Console(width=None if sys.stdout.isatty() else 120)
    step = max(1.0, round(seconds / 30))
    periods = [period(calls, n * step, step) for n in range(int(seconds / step))]
    console.print(table(periods))
    warm = WARM_UP if profile == "steady" else 0.0
    whole = period(calls, warm, seconds - warm)
    console.print(table([whole]))
    console.print(
        f"answered {whole.answered / whole.seconds / capacity:.1%} of the capacity, "
        f"p50 {whole.ringing.p50:.0f} ms, p99 {whole.ringing.p99:.0f} ms; {words}"
    )
    if svg:
        write_charts(svg, charts(periods, capacity))


if __name__ == "__main__":
    typer.run(main)
