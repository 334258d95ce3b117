"""One load: SIPp on both sides, and a packet capture of their messages."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench.capture import Capture
from bench.latency import Times, call_times
from tests.interop.ports import free_port
from tests.interop.program import NUMBER
from tests.interop.sipp import Sipp

CALLER = "+3367%07d"
"""The number of a caller, by the ordinal of its call, counted from 0."""
GRACE_PERIOD = 40
"""Seconds for the last calls to end: more than timer B."""
_SCENARIOS = Path(__file__).parent / "scenarios"
# With a timer of 1 ms SIPp sends calls one by one; with its default of 10 ms they come in bursts.
_TUNING = ("-timer_resol", "1", "-buff_size", "4194304", "-deadcall_wait", "4000", "-f", "60")


@dataclass(frozen=True, slots=True)
class Load:
    """Calls to ``number`` at ``rate`` per second for ``seconds``; each lasts ``hold`` seconds."""

    rate: int
    seconds: float
    hold: float = 0.1
    number: str = NUMBER

    @property
    def calls(self) -> int:
        """The number of calls."""
        return round(self.rate * self.seconds)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a load: SIPp's counters, and the times of each call."""

    failed: int
    retransmissions: int
    calls: list[Times]
    packets_dropped: int


class LoadPeer(Sipp):
    """SIPp as one side of a load, which ends after ``timeout`` seconds at the latest."""

    def __init__(
        self, scenario: str, directory: Path, port: int, calls: int, timeout: float, *options: str
    ) -> None:
        self._statistics = directory / f"{scenario}-{port}.csv"
        super().__init__(
            scenario,
            directory,
            port=port,
            scenarios=_SCENARIOS,
            calls=calls,
            timeout=timeout,
            trace=False,
            options=(*_TUNING, "-trace_stat", "-stf", str(self._statistics), *options),
        )

    def count(self, column: str) -> int:
        """Return one of SIPp's cumulative counters; call it once SIPp has ended."""
        with self._statistics.open(newline="") as file:
            return int(list(csv.DictReader(file, delimiter=";"))[-1][f"{column}(C)"])


class Callers:
    """The callers of a load, and a capture of both sides of the proxy.

    Both processes end with ``children``.
    """

    def __init__(
        self, load: Load, directory: Path, callee_port: int, proxy_port: int, children: ExitStack
    ) -> None:
        self._load, self._proxy_port = load, proxy_port
        port = free_port()
        self._capture = Capture((port, callee_port), directory, f"calls-{port}")
        children.callback(self._capture.stop)
        self._capture.wait_ready()
        numbers = directory / f"callers-{port}.csv"
        numbers.write_text(f"SEQUENTIAL,PRINTF={load.calls}\n{CALLER};\n")
        options = [f"127.0.0.1:{proxy_port}", "-s", load.number, "-d", str(round(load.hold * 1000))]
        options += ["-r", str(load.rate), "-l", str(load.calls), "-inf", str(numbers)]
        timeout = load.seconds + GRACE_PERIOD
        self._sipp = LoadPeer("load_caller", directory, port, load.calls, timeout, *options)
        children.callback(self._sipp.stop)

    def finish(self) -> Outcome:
        """Wait for the end of the last call and return the result."""
        self._sipp.wait(self._load.seconds + 2 * GRACE_PERIOD)
        self._capture.finish()
        return Outcome(
            failed=self._load.calls - self._sipp.count("SuccessfulCall"),
            retransmissions=self._sipp.count("Retransmissions"),
            calls=call_times(self._capture.path, self._proxy_port),
            packets_dropped=self._capture.dropped(),
        )


def run_load(load: Load, directory: Path, callee_port: int, proxy_port: int = 0) -> Outcome:
    """Run a load through the proxy on ``proxy_port``, or without a proxy if it is 0."""
    with ExitStack() as children:
        callee = LoadPeer(
            "load_callee", directory, callee_port, load.calls, load.seconds + GRACE_PERIOD
        )
        children.callback(callee.stop)
        callee.wait_bound()
        outcome = Callers(
            load, directory, callee_port, proxy_port or callee_port, children
        ).finish()
    retransmissions = outcome.retransmissions + callee.count("Retransmissions")
    return replace(outcome, retransmissions=retransmissions)
