"""One load: SIPp on both sides, and a capture of what passed between them."""

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
"""The number of each call's caller, by the call's ordinal from 0 on."""
GRACE = 40
"""Seconds that the last calls may take: more than timer B."""
_SCENARIOS = Path(__file__).parent / "scenarios"
# A scheduler of one millisecond sends calls one by one, where SIPp's ten come in bunches.
_TUNING = ("-timer_resol", "1", "-buff_size", "4194304", "-deadcall_wait", "4000", "-f", "60")


@dataclass(frozen=True, slots=True)
class Load:
    """``rate`` is in calls per second, ``seconds`` how long it lasts, ``hold`` a call's length.

    ``number`` is what is dialled.
    """

    rate: int
    seconds: float
    hold: float = 0.1
    number: str = NUMBER

    @property
    def calls(self) -> int:
        """How many calls it is."""
        return round(self.rate * self.seconds)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a load: SIPp's own figures, and each call's times."""

    failed: int
    retransmissions: int
    calls: list[Times]
    packets_dropped: int


class Side(Sipp):
    """One side of so many calls, which may take ``longest`` seconds in all."""

    def __init__(
        self, scenario: str, directory: Path, port: int, calls: int, longest: float, *options: str
    ) -> None:
        self._statistics = directory / f"{scenario}-{port}.csv"
        super().__init__(
            scenario,
            directory,
            port=port,
            scenarios=_SCENARIOS,
            calls=calls,
            longest=longest,
            trace=False,
            options=(*_TUNING, "-trace_stat", "-stf", str(self._statistics), *options),
        )

    def count(self, column: str) -> int:
        """Return one of SIPp's sums, once it has ended."""
        with self._statistics.open(newline="") as file:
            return int(list(csv.DictReader(file, delimiter=";"))[-1][f"{column}(C)"])


class Callers:
    """The callers of a load and a capture, which both end with ``children``.

    The capture has what passes between them and ``edge``, and between that and the callee.
    """

    def __init__(
        self, load: Load, directory: Path, callee_port: int, edge: int, children: ExitStack
    ) -> None:
        self._load, self._edge = load, edge
        port = free_port()
        self._capture = Capture((port, callee_port), directory, f"calls-{port}")
        children.callback(self._capture.stop)
        self._capture.wait_ready()
        numbers = directory / f"callers-{port}.csv"
        numbers.write_text(f"SEQUENTIAL,PRINTF={load.calls}\n{CALLER};\n")
        options = [f"127.0.0.1:{edge}", "-s", load.number, "-d", str(round(load.hold * 1000))]
        options += ["-r", str(load.rate), "-l", str(load.calls), "-inf", str(numbers)]
        longest = load.seconds + GRACE
        self._sipp = Side("load_caller", directory, port, load.calls, longest, *options)
        children.callback(self._sipp.stop)

    def finish(self) -> Outcome:
        """Return when the last call has ended."""
        self._sipp.wait(self._load.seconds + 2 * GRACE)
        self._capture.finish()
        return Outcome(
            failed=self._load.calls - self._sipp.count("SuccessfulCall"),
            retransmissions=self._sipp.count("Retransmissions"),
            calls=call_times(self._capture.path, self._edge),
            packets_dropped=self._capture.dropped(),
        )


def play(load: Load, directory: Path, callee_port: int, edge: int = 0) -> Outcome:
    """Place calls through whoever listens on ``edge``, or through nobody, and see the last end."""
    with ExitStack() as children:
        callee = Side("load_callee", directory, callee_port, load.calls, load.seconds + GRACE)
        children.callback(callee.stop)
        callee.wait_bound()
        outcome = Callers(load, directory, callee_port, edge or callee_port, children).finish()
    again = outcome.retransmissions + callee.count("Retransmissions")
    return replace(outcome, retransmissions=again)
